"""Golden values of layers from torch in float64; prints JSON (test/fixtures/layers-golden.json).

Values are a function of their place, sin(1.7·i + 0.3), so that a test can make them again.
"""
import torch, json
torch.manual_seed(3); torch.set_default_dtype(torch.float64)
import torch.nn as nn, torch.nn.functional as F
def grads(f, **ts):
    for t in ts.values(): t.requires_grad_(True)
    y=f(); r=torch.linspace(-1,1,y.numel()).reshape(y.shape)
    g=torch.autograd.grad((y*r).sum(), list(ts.values()))
    out={'y':y.detach().flatten().tolist(),'shape':list(y.shape)}
    for (k,t),d in zip(ts.items(), g): out['d'+k]=d.flatten().tolist()
    return out
def rng(*s): 
    n=1
    for v in s: n*=v
    i=torch.arange(n); return (torch.sin(i*1.7+0.3)).reshape(s).clone()
res={}
x=rng(2,4,3,3); w=rng(4)+1.5; b=rng(4)*0.3
res['groupNorm']=grads(lambda: F.group_norm(x,2,w,b,1e-5),x=x,w=w,b=b)
x2=rng(3,5); w2=rng(5)+1.5; b2=rng(5)*.2
res['layerNorm']=grads(lambda: F.layer_norm(x2,[5],w2,b2,1e-5),x=x2,w=w2,b=b2)
x3=rng(2,4,2,3); w3=rng(4)+1.5; b3=rng(4)*.2
res['layerNorm2d']=grads(lambda: F.layer_norm(x3.permute(0,2,3,1),[4],w3,b3,1e-6).permute(0,3,1,2),x=x3,w=w3,b=b3)
x4=rng(2,3,3,4); w4=rng(3,2,3,2)
res['convTranspose']=grads(lambda: F.conv_transpose2d(x4,w4,stride=(2,1),padding=(1,0),output_padding=(1,0),dilation=1),x=x4,w=w4)
x5=rng(2,4,3,4); w5=rng(4,3,3,3); 
res['convTransposeGroups']=grads(lambda: F.conv_transpose2d(x5,w5,stride=2,padding=1,groups=2),x=x5,w=w5)
x6=rng(1,2,5,3)
res['bilinear']=grads(lambda: F.interpolate(x6,size=(7,8),mode='bilinear',align_corners=False),x=x6)
res['bilinearDown']=grads(lambda: F.interpolate(x6,size=(2,2),mode='bilinear',align_corners=False),x=x6)
x7=rng(12)*4
res['gelu']=grads(lambda: F.gelu(x7),x=x7)
res['geluTanh']=grads(lambda: F.gelu(x7,approximate='tanh'),x=x7)
res['silu']=grads(lambda: F.silu(x7),x=x7)
x8=rng(2,4,3,3); f1=rng(2,4,1,1); b1=rng(2); f2=rng(4,2,1,1); bb=rng(4)*.5
def se():
    s=x8.mean((2,3),keepdim=True); s=F.relu(F.conv2d(s,f1,b1)); s=torch.sigmoid(F.conv2d(s,f2,bb)); return s*x8
res['squeezeExcitation']=grads(se,x=x8,f1=f1,b1=b1,f2=f2,b2=bb)
x9=rng(2,3,6,5); w9=rng(4,3,3,2)
res['convAsymmetric']=grads(lambda: F.conv2d(F.pad(x9,(2,1,0,1)),w9,stride=(2,1)),x=x9,w=w9)
def r(o):
    if isinstance(o,float): return float(f'{o:.12g}')
    if isinstance(o,list): return [r(i) for i in o]
    if isinstance(o,dict): return {k:r(v) for k,v in o.items()}
    return o
print(json.dumps(r(res)))
