import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { watchedFolders } from './find-runs.ts'
import type { StepCurves } from './protocol.ts'
import { type ServerOptions, startWatching, type WatchServer } from './server.ts'

/** `RELIABILITY.md`, "Server", one test for each item; then what the page is given. */

const outer = mkdtempSync(join(tmpdir(), 'moiety-watch-server-'))
const [root, page] = [join(outer, 'runs'), join(outer, 'page')]
const hostileName = '<img src=x onerror=alert(1)>\u202eevil'
const secret = 'only in a file outside'
const servers: WatchServer[] = []

async function start(options: Partial<ServerOptions> = {}): Promise<WatchServer> {
  const server = await startWatching({ folders: await watchedFolders([root]), port: 0, page, ...options })
  servers.push(server)
  return server
}

interface Got {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** A request as Node's client makes it, with any headers. */
function get(
  { port }: { readonly port: number },
  path: string,
  {
    headers = {},
    method = 'GET',
    body = '',
  }: { headers?: Record<string, string>; method?: string; body?: string } = {},
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, response => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', chunk => {
        text += chunk
      })
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, body: text }),
      )
      response.on('error', reject)
    })
    asked.on('error', reject)
    asked.end(body)
  })
}

/** What comes back for bytes that no client would send; until the server closes, or `until` is in it. */
function raw({ port }: { readonly port: number }, text: string, until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let got = ''
    socket.setEncoding('utf8')
    socket.on('data', chunk => {
      got += chunk
      if (until?.test(got)) {
        socket.destroy()
        resolve(got)
      }
    })
    socket.on('close', () => resolve(got))
    socket.on('error', reject)
  })
}

let server: WatchServer
let id: string

beforeAll(async () => {
  mkdirSync(page)
  writeFileSync(join(page, 'index.html'), '<!doctype html><title>page</title>')
  writeFileSync(join(page, 'app.js'), '')
  const run = join(root, hostileName)
  mkdirSync(run, { recursive: true })
  writeFileSync(
    join(run, 'config.json'),
    JSON.stringify({ training: { epochs: 1 }, data: { name: '</script><script>' } }),
  )
  writeFileSync(join(run, 'environment.json'), '{}')
  writeFileSync(
    join(run, 'metrics.jsonl'),
    Array.from(
      { length: 3000 },
      (_, i) => `${JSON.stringify({ kind: 'step', step: i + 1, epoch: 0, loss: i })}\n`,
    ).join(''),
  )
  writeFileSync(join(outer, 'secret.html'), secret)
  symlinkSync(join(outer, 'secret.html'), join(run, 'report.html'))
  server = await start()
  id = server.watcher.overview.runs[0]!.id
})

afterEach(async () => {
  for (const other of servers.splice(0)) if (other !== server) await other.close()
})

afterAll(async () => {
  await server.close()
  rmSync(outer, { recursive: true })
})

describe('the server', () => {
  it('27: refuses any other Host before everything else, and says which setting changes that', async () => {
    const own = [`127.0.0.1:${server.port}`, `localhost:${server.port}`, 'LOCALHOST', `[::1]:${server.port}`]
    for (const host of own) expect((await get(server, '/', { headers: { host } })).status, host).toBe(200)
    const others = [
      'evil.example',
      `evil.example:${server.port}`,
      '127.0.0.1.evil.example',
      'localhost.',
      'localhost@evil',
      '0.0.0.0',
    ]
    for (const host of others)
      for (const [path, method] of [
        ['/', 'GET'],
        ['/nothing', 'GET'],
        ['/', 'POST'],
        ['/api/events', 'GET'],
      ] as const) {
        const { status, body, headers } = await get(server, path, {
          method,
          headers: { host, origin: 'http://localhost' },
        })
        expect([status, headers['access-control-allow-origin']], `${host} ${method} ${path}`).toEqual([
          403,
          undefined,
        ])
        expect(body).toContain('--allow-host')
      }
    for (const lines of [
      'Host:',
      'Host: evil.example\r\nHost: localhost',
      'Host: localhost\r\nHost: evil.example',
      'X-Forwarded-Host: localhost',
    ])
      expect(await raw(server, `GET / HTTP/1.0\r\n${lines}\r\n\r\n`), lines).toMatch(/^HTTP\/1\.1 403 /)
    const named = await start({ allowedHosts: ['dash.example'] })
    expect((await get(named, '/', { headers: { host: 'dash.example:80' } })).status).toBe(200)
  })

  it('28: answers only GET, has no CORS, and nothing for pages of other sites', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
      const { status, headers } = await get(server, '/api/curves', {
        method,
        headers: { origin: 'http://evil.example', 'content-type': 'application/json' },
      })
      expect([status, headers.allow, headers['access-control-allow-origin']], method).toEqual([
        405,
        'GET, HEAD',
        undefined,
      ])
    }
    for (const site of ['cross-site', 'same-site'])
      for (const path of ['/api/events', `/api/runs/${id}`, '/assets/app.js'])
        expect(
          (await get(server, path, { headers: { 'sec-fetch-site': site, 'sec-fetch-mode': 'no-cors' } }))
            .status,
        ).toBe(403)
    expect(
      (await get(server, '/', { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' } }))
        .status,
    ).toBe(200)
    expect((await get(server, '/', { method: 'HEAD' })).body).toBe('')
  })

  it('28: a token is compared whole, and nothing is answered without', async () => {
    const token = 'a-token-of-some-length'
    const own = await start({ token })
    expect(own.address).toBe(`http://127.0.0.1:${own.port}/?token=${token}`)
    for (const path of [
      '/',
      '/api/events',
      `/api/runs/${id}`,
      '/assets/app.js',
      '/?token=',
      '/?token=a-token-of-some-lengt',
      `/api/runs/${id}?token=${token}`,
    ])
      expect((await get(own, path)).status, path).toBe(401)
    const entered = await get(own, `/?token=${token}`)
    expect([entered.status, entered.headers.location]).toEqual([303, '/'])
    const [cookie = ''] = [entered.headers['set-cookie']].flat()
    expect(cookie).toMatch(/; HttpOnly; SameSite=Strict/)
    expect((await get(own, '/', { headers: { cookie: cookie.split(';')[0]! } })).status).toBe(200)
    expect((await get(own, '/', { headers: { authorization: `Bearer ${token}` } })).status).toBe(200)
    expect((await get(own, '/', { headers: { authorization: `Bearer ${token}x` } })).status).toBe(401)
    // Host comes first.
    expect((await get(own, `/?token=${token}`, { headers: { host: 'evil.example' } })).status).toBe(403)
  })

  it('29: serves no path outside of its own, whatever it looks like', async () => {
    const targets = [
      ...[
        '/../secret.html',
        '/..%2fsecret.html',
        '/%2e%2e/secret.html',
        '/..%252fsecret.html',
        '/..\\secret.html',
        '/..%5csecret.html',
      ],
      ...[
        '/assets/../../secret.html',
        '/assets/..%2f..%2fsecret.html',
        '/assets//etc/passwd',
        '//etc/passwd',
        '/assets/app.js%00.html',
        '/assets/APP~1.JS',
      ],
      ...[
        '/#/../secret.html',
        '/index.html#x',
        'http://evil.example/',
        'secret.html',
        '*',
        '/./',
        '/assets/.',
        '/runs/../secret.html',
      ],
      ...[
        `/runs/${id}/../../secret.html`,
        `/runs/${id}/config.json`,
        `/runs/${id}/metrics.jsonl`,
        '/runs/',
        '/assets/',
        '/api/',
      ],
      ...[
        `/api/runs/${id}/strips/-1`,
        `/api/runs/${id}/strips/999999`,
        '/api/runs/__proto__',
        '/api/runs/000000000000',
        '/api/curves/..',
      ],
    ]
    for (const target of targets) {
      const answer = await raw(
        server,
        `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      )
      expect(answer, target).toMatch(/^HTTP\/1\.1 4\d\d /)
      expect(answer, target).not.toContain(secret)
    }
    const nul = await raw(server, 'GET /\0/../secret.html HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(nul).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('29: serves no report that a link leads to outside of the folder', async () => {
    const answer = await get(server, `/runs/${id}/report.html`)
    expect(answer.status).toBe(404)
    expect(answer.body).not.toContain(secret)
  })

  it('30: sends names as data, with a policy that runs nothing but its own script', async () => {
    const details = await get(server, `/api/runs/${id}`)
    expect(details.headers['content-type']).toBe('application/json')
    expect(JSON.parse(details.body).config).toMatchObject({ 'data.name': '</script><script>' })
    const events = await raw(server, 'GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n', /data: .*\n/)
    expect(events).toContain('content-type: text/event-stream')
    expect(JSON.parse(/data: (.*)\n/.exec(events)![1]!).runs[0].name).toBe(hostileName)
    for (const path of ['/', '/assets/app.js', `/api/runs/${id}`, '/nothing', '/api/curves']) {
      const { headers } = await get(server, path)
      expect(headers['content-security-policy']).toMatch(/^default-src 'self'; base-uri 'none'/)
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['cross-origin-resource-policy']).toBe('same-origin')
    }
  })

  it('30: reads no body, and waits for no slow client', async () => {
    const much = await raw(
      server,
      `POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\nabc`,
    )
    expect(much).toMatch(/^HTTP\/1\.1 405 [\s\S]*connection: close/i)
    const { status } = await get(server, '/', { headers: { 'content-length': '3' }, body: 'abc' })
    expect(status).toBe(413)
    const impatient = await start({ patience: 300 })
    const slow = await raw(impatient, 'GET / HTTP/1.1\r\nHost: localh')
    expect(slow).toMatch(/^HTTP\/1\.1 408 /)
    const long = await raw(server, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`)
    expect(long).toMatch(/^HTTP\/1\.1 431 /)
  })

  it('30: bounds its clients: of a thousand that follow, few are taken, and the page is still served', async () => {
    const own = await start({ stream: { clients: 8 } })
    const sockets = Array.from({ length: 1000 }, () => {
      const socket = connect(own.port, '127.0.0.1', () =>
        socket.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      )
      socket.on('error', () => undefined)
      return socket
    })
    const statuses = await Promise.all(
      sockets.map(
        socket =>
          new Promise<string>(resolve => {
            socket.once('data', data => resolve(data.toString().slice(9, 12)))
            socket.once('close', () => resolve('closed'))
          }),
      ),
    )
    expect(statuses.filter(status => status === '200')).toHaveLength(8)
    expect(statuses.filter(status => status === '503').length).toBeGreaterThan(0)
    for (const socket of sockets) socket.destroy()
    await expect.poll(async () => (await get(own, '/')).status).toBe(200)
  })

  it('30: drops a client that does not read', async () => {
    const own = await start({ stream: { behind: 1 << 16 } })
    const socket = connect(own.port, '127.0.0.1', () => {
      socket.pause()
      socket.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
    })
    socket.on('error', () => undefined)
    const closed = new Promise(resolve => socket.once('close', resolve))
    // What the system's buffers hold does not count as behind.
    const row = { ...own.watcher.overview.runs[0]!, name: 'x'.repeat(1 << 20) }
    await expect.poll(() => own.watcher.isWatched()).toBe(true)
    await expect
      .poll(() => {
        own.watcher.emit('runs', [row])
        return own.watcher.isWatched()
      })
      .toBe(false)
    socket.resume()
    await closed
  })

  it('30: continues after the event that a client had last, and sends everything for an id that is none of its own', async () => {
    const own = await start()
    const follow = (lastId: string, until: RegExp): Promise<string> =>
      raw(own, `GET /api/events HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: ${lastId}\r\n\r\n`, until)
    const row = own.watcher.overview.runs[0]!
    const first = await raw(own, 'GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n', /data: .*\n/)
    const had = /id: (\S+)/.exec(first)![1]!
    own.watcher.emit('runs', [{ ...row, step: 111 }])
    own.watcher.emit('runs', [{ ...row, step: 222 }])
    const since = await follow(had, /"step":222[\s\S]*\n\n/)
    expect(since).not.toContain('event: overview')
    expect([...since.matchAll(/^id: \S+-(\d+)$/gm)].map(match => Number(match[1]))).toEqual(
      [1, 2].map(n => Number(had.split('-')[1]) + n),
    )
    const wrong = [
      '',
      'x',
      '-1',
      '99999999999999999999',
      had.replace(/\d+$/, '99'),
      `${'0'.repeat(12)}-1`,
      'a'.repeat(5000),
      had.replace(/\d+$/, '-3'),
      '%0a',
      had.replace('-', ''),
    ]
    for (const lastId of wrong)
      expect(await follow(lastId, /data: .*\n/), lastId).toContain('event: overview')
  })

  it('31: is not bound to an address of others without a token', async () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.1', 'example.com', ''])
      await expect(start({ host }), host).rejects.toMatchObject({
        kind: 'usage',
        where: '--host',
        help: expect.stringContaining('--token'),
      })
    await expect(start({ token: 'short' })).rejects.toMatchObject({ where: '--token' })
    const open = await start({ host: '0.0.0.0', token: 'a-token-of-some-length' })
    expect((await get(open, '/')).status).toBe(401)
  })
})

describe('its port', () => {
  it('is refused where it is taken, unless it was not asked for', async () => {
    const taken = createServer()
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve))
    const address = taken.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    await expect(start({ port })).rejects.toMatchObject({
      kind: 'usage',
      message: `expected a free port, ${port} is in use on 127.0.0.1`,
      where: '--port',
    })
    taken.close()
    const [a, b] = [await start({ port: undefined }), await start({ port: undefined })]
    expect(a.port).not.toBe(b.port)
  })
})

describe('the steps of runs', () => {
  const ask = async (path: string): Promise<Record<string, StepCurves>> =>
    JSON.parse((await get(server, path)).body)

  it('are sent in buckets, later only those that are new', async () => {
    const all = (await ask(`/api/curves?runs=${id}`))[id]!
    expect(all).toMatchObject({ width: 8, isWhole: true })
    expect(all.steps).toHaveLength(376)
    expect(all.curves.loss?.max?.at(-1)).toBe(2999)
    const more = (await ask(`/api/curves?runs=${id}~${all.generation}~8~374`))[id]!
    expect(more.steps).toEqual([2999, 3000])
    const other = (await ask(`/api/curves?runs=${id}~${all.generation}~4~374`))[id]!
    expect(other.steps).toHaveLength(376)
    expect(await ask('/api/curves?runs=000000000000,x,,__proto__')).toEqual({})
  })

  it('are all there in a range', async () => {
    const range = (await ask(`/api/range?runs=${id}&from=1000&to=1099&points=200`))[id]!
    expect(range).toMatchObject({ width: 1, isWhole: true })
    expect(range.steps).toEqual(Array.from({ length: 100 }, (_, i) => 1000 + i))
    for (const query of ['', 'from=x&to=1&points=1', 'from=1&to=2&points=-1', 'from=NaN&to=1e999&points=1'])
      expect((await get(server, `/api/range?runs=${id}&${query}`)).status, query).toBe(
        query === '' ? 200 : 400,
      )
  })
})
