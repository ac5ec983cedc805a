import re,json,sys,random,subprocess
sys.path.insert(0,'/tmp')
import planted_used
RIVAL={"Walmart":"Costco","Costco":"Walmart","Amazon":"eBay","eBay":"Amazon","General Mills":"Kraft Heinz","Kraft Heinz":"General Mills","Salesforce":"Oracle","Oracle":"Salesforce"}
C='/work/shared/data/corpus/text/'
pages={}
def page(d,n):
    if d not in pages: pages[d]=open(C+d+'.txt').read().split('\f')
    return pages[d][n-1]
def flat(s): return re.sub(r'\s+',' ',s).strip()
bad=0
def quote(d,n,f):
    global bad
    p=page(d,n)
    if f.startswith('~'):
        q=f[1:]
        if q not in flat(p): bad+=1; print('NOT ON PAGE',d,n,q)
        return q
    k=1
    m=re.search(r'#(\d)$',f)
    if m: k=int(m[1]); f=f[:m.start()]
    hits=[flat(l) for l in p.splitlines() if flat(l).startswith(f)]
    hits=[h for h in hits if re.search(r'\d',h[len(f):]) and len(re.findall(r'[A-Za-z]{2,}',h))<=14 and re.search(r'[\d)%—]$|years$|\*$',h)]
    if len(hits)<k: bad+=1; print('NO ROW',d,n,f,k,hits); return f
    return ' '.join(hits[k-1].split()[:25])
groups=[];cur=None
for l in open('/tmp/planted_src.txt'):
    l=l.rstrip('\n')
    if l.startswith('@'):
        d,n,c=l[1:].split('|'); n=int(n)
        if n in planted_used.used[d]: bad+=1; print('USED PAGE',d,n)
        cur={'doc':d,'page':n,'company':c,'claims':[]}; groups.append(cur); continue
    x=l.split('|')
    q=quote(cur['doc'],cur['page'],x[1])
    cur['claims'].append((x[0],q,x[2],x[3] if len(x)>3 else None))
rng=random.Random(77)
out=[]
for g in groups:
    cl=g['claims'][:]; rng.shuffle(cl)
    claims=[];errs=[]
    for k,q,t,o in cl:
        tt=o if k!='T' and o else t
        qn=[float(x.replace(',','')) for x in re.findall(r'\d[\d,]*\.?\d*',q) if x.strip(',.')]
        miss=[]
        t2=re.sub(r'(January|April|May|July|August|September|October|November|December) \d+(, 20\d\d)?','',tt)
        for x in re.findall(r'\d[\d,]*\.?\d*',t2):
            x=x.rstrip('.,'); v=float(x.replace(',',''))
            if re.fullmatch(r'20[12]\d',x): continue
            dec=len(x.split('.')[1]) if '.' in x else 0
            if not any(round(a/sc,dec)==v or abs(a/sc-v)<=0.5*10**-dec+1e-9 for a in qn for sc in (1,1000)): miss.append(x)
        if miss: print('CHECK',g['doc'][:9],g['page'],k,miss,'|',tt,'<<',q)
    for i,(k,q,t,o) in enumerate(cl,1):
        claims.append({'id':f'c{i}','text':t,'cites':[{'doc':g['doc'],'page':g['page'],'quote':q}]})
        if k!='T': errs.append({'claim_id':f'c{i}','kind':k,'original':o})
        if '-v' in sys.argv: print(g['doc'][:9],g['page'],k,'|',t,'  <<',q)
    comps=sorted([g['company'],RIVAL[g['company']]])
    out.append({'id':f'heldout-{len(out)+1:02}','companies':comps,'report':{'title':f"{comps[0]} and {comps[1]}: notes on {g['doc']}, page {g['page']}",'claims':claims},'errors':errs})
open('/tmp/planted/examples/competitive-intelligence/evals/planted.heldout.jsonl','w').write(''.join(json.dumps(r,ensure_ascii=False)+'\n' for r in out))
N=sum(len(r['report']['claims']) for r in out);E=sum(len(r['errors']) for r in out)
print('bad',bad,'reports',len(out),'claims',N,'errors',E,'true',N-E)
