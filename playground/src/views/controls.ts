import { element } from '../../../web/views/elements.ts'
import {
  type Choice,
  type Control,
  constraintOption,
  controls,
  type SettingName,
  type Settings,
  usualChoice,
  withSetting,
} from '../settings.ts'

/** Settings as fields, each with a tip of one sentence, and in what a second run differs. */
export class ControlsView {
  #choice: Choice = usualChoice

  constructor(
    readonly form: HTMLFormElement,
    readonly onChoice: (choice: Choice) => void,
  ) {
    form.addEventListener('submit', event => event.preventDefault())
  }

  show(choice: Choice): void {
    this.#choice = choice
    const { settings, against } = choice
    // Where the keyboard was, it stays.
    const focused = document.activeElement?.id
    const fields = controls.map(control =>
      this.#field(`setting-${control.name}`, control, control.label, control.help, settings, text =>
        this.#set(control.name, text),
      ),
    )
    const pair = element('fieldset', { class: 'against' }, element('legend', {}, 'second run'))
    const names = element('select', { id: 'against-name' })
    names.append(
      element('option', { value: '' }, 'none'),
      ...controls.map(({ name, label }) => element('option', { value: name }, label)),
    )
    names.value = against?.name ?? ''
    names.addEventListener('change', () => {
      const control = controls.find(({ name }) => name === names.value)
      this.onChoice({
        ...this.#choice,
        against: control && { name: control.name, value: otherValue(control, settings) },
      })
    })
    pair.append(
      tipped(
        'against-name',
        'second run: other',
        'A second run from the same seed that differs in this alone.',
        names,
      ),
    )
    const control = controls.find(({ name }) => name === against?.name)
    if (control !== undefined && against !== undefined) {
      const second = withSetting(settings, control.name, against.value) ?? settings
      pair.append(
        this.#field('against-value', control, 'its value', control.help, second, value => {
          if (withSetting(this.#choice.settings, control.name, value) === undefined)
            return this.show(this.#choice)
          this.onChoice({ ...this.#choice, against: { name: control.name, value } })
        }),
      )
    }
    this.form.replaceChildren(...fields, pair)
    if (focused !== undefined && focused !== '') document.getElementById(focused)?.focus()
  }

  #set(name: SettingName, text: string): void {
    const settings = withSetting(this.#choice.settings, name, text)
    if (settings === undefined) this.show(this.#choice)
    else this.onChoice({ ...this.#choice, settings })
  }

  #field(
    id: string,
    control: Control,
    label: string,
    help: string,
    settings: Settings,
    onValue: (text: string) => void,
  ): HTMLElement {
    const value = String(settings[control.name] ?? '')
    const input = control.choices === undefined ? numberField(control, settings) : choiceField(control)
    input.id = id
    input.value = value
    input.addEventListener('change', () => onValue(input.value))
    return tipped(id, label, help, input)
  }
}

function choiceField({ choices = [] }: Control): HTMLSelectElement {
  return element('select', {}, ...choices.map(([value, text]) => element('option', { value }, text)))
}

function numberField({ name, least, most, whole }: Control, settings: Settings): HTMLInputElement {
  const input = element('input', {
    type: 'number',
    inputmode: whole === true ? 'numeric' : 'decimal',
    min: String(least),
    max: String(name === 'k' ? settings.e : most),
    step: whole === true ? '1' : 'any',
  })
  if (name === 'weight') {
    const option = constraintOption(settings.constraint)
    input.disabled = option === undefined
    input.placeholder = option === undefined ? '–' : String(option[1])
  }
  return input
}

/** A field with its label and a tip that is shown while the pointer or the keyboard is on it. */
function tipped(id: string, label: string, help: string, input: HTMLElement): HTMLElement {
  input.id = id
  input.setAttribute('aria-describedby', `${id}-tip`)
  return element(
    'div',
    { class: 'control' },
    element('label', { for: id }, label),
    input,
    element('span', { class: 'tip', role: 'tooltip', id: `${id}-tip` }, help),
  )
}

/** Another value than the first run's, to begin with. */
function otherValue({ name, choices, least = 0, most = 1 }: Control, settings: Settings): string {
  const own = settings[name]
  if (name === 'constraint') return own === 'importance' ? 'none' : 'importance'
  if (name === 'noise') return own === 'off' ? 'on' : 'off'
  if (choices !== undefined) return choices.find(([value]) => value !== String(own))?.[0] ?? ''
  if (name === 'weight') return String((constraintOption(settings.constraint)?.[1] ?? 0.5) / 10)
  const value = Number(own)
  const double = name === 'lr' ? value / 4 : name === 'seed' ? value + 1 : 2 * value
  const limit = name === 'k' ? settings.e : most
  return String(double <= limit && double >= least ? double : Math.max(least, Math.floor(value / 2)))
}
