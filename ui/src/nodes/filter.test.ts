import { describe, expect, it } from 'vitest';

import { node } from '../../tests/fake';
import { complete, Values } from './completion';
import { compile, looksForUnmanaged, parse } from './filter';
import { Haystack } from './haystack';
import { rowOf } from './row';

const place = { profileId: 'acme-prod', region: 'eu-west-1' };
const web = rowOf(node(), place);
const old = rowOf(
  node({ id: 'i-2', name: 'api-2', agentVersion: '3.0.9', tags: { Env: 'dev', 'Cost Center': 'R and D' } }),
  place,
);
const win = rowOf(
  node({
    id: 'mi-3',
    name: 'win-ad-1',
    platform: 'windows',
    platformName: 'Microsoft Windows Server 2022',
    ping: 'connectionLost',
    zone: null,
    agentVersion: '3.10.1',
  }),
  { profileId: 'office', region: 'eu-central-1' },
);
const all = [web, old, win];
const labels = (id: string) => (id === 'office' ? 'head office' : id);
const hay = new Haystack(all);
const found = (filter: string) => hay.fitting(compile(filter, labels)).map((row) => row.node.name);

describe('filter', () => {
  it('lets all through when it is empty', () => {
    expect(found('   ')).toEqual(['web-1', 'api-2', 'win-ad-1']);
  });

  it('wants every word, whatever its case', () => {
    expect(found('WEB 10.0.4')).toEqual(['web-1']);
    expect(found('web api')).toEqual([]);
  });

  it('never matches across two rows', () => {
    // The first ends in App=shop, the second starts with its name.
    expect(found('shopapi')).toEqual([]);
    expect(found('shop')).toEqual(['web-1', 'win-ad-1']);
  });

  it('never matches across two facts', () => {
    // The name ends in 1 and the id starts with i.
    expect(found('1i')).toEqual([]);
  });

  it.each([
    ['tag:Env=prod', ['web-1', 'win-ad-1']],
    ['tag:env', ['web-1', 'api-2', 'win-ad-1']],
    ['tag:"Cost Center=R and D"', ['api-2']],
    ['tag:Env=p*', ['web-1', 'win-ad-1']],
    ['!tag:Env=prod', ['api-2']],
    ['platform:linux', ['web-1', 'api-2']],
    ['platform:2022', ['win-ad-1']],
    ['ping:offline', ['win-ad-1']],
    ['ping:lost', ['win-ad-1']],
    ['agent:<3.1', ['api-2']],
    ['agent:3.1', []],
    ['agent:>=3.10', ['win-ad-1']],
    ['agent:3.3', ['web-1']],
    ['region:eu-west-1,eu-central-1', ['web-1', 'api-2', 'win-ad-1']],
    ['account:office', ['win-ad-1']],
    ['account:"head office"', ['win-ad-1']],
    ['!windows !api', ['web-1']],
    ['name:w*1', ['web-1', 'win-ad-1']],
    ['zone:eu-west-1a web', ['web-1']],
  ])('%s', (filter, names) => {
    expect(found(filter)).toEqual(names);
  });

  it('takes a key it does not know for a word', () => {
    expect(parse('http://x tag:A')).toMatchObject([
      { key: null, value: 'http://x' },
      { key: 'tag', value: 'A' },
    ]);
  });

  it('waits for the value of a term being typed', () => {
    expect(found('tag:')).toHaveLength(3);
    expect(found('tag:Env=')).toHaveLength(3);
  });
});

describe('instances that are not managed', () => {
  it('are looked for by words, names, ids, addresses and their state', () => {
    for (const filter of [
      'web',
      'name:web',
      'id:i-0',
      'ip:10.0',
      'ping:unmanaged',
      '!ping:online',
      'tag:Env web',
    ])
      expect(looksForUnmanaged(filter), filter).toBe(true);
  });

  it('are left out by all else', () => {
    for (const filter of ['', 'tag:Env=prod', 'platform:linux', '!web', 'ping:', '!name:web'])
      expect(looksForUnmanaged(filter), filter).toBe(false);
  });
});

describe('completion', () => {
  const values = new Values(all, labels);
  const terms = (word: string) => complete(word, values).map(({ term }) => term);

  it('offers keys, then values, the most used first', () => {
    expect(terms('pl')).toEqual(['platform:']);
    expect(terms('platform:')).toEqual(['platform:linux', 'platform:windows']);
    expect(terms('!reg')).toEqual(['!region:']);
  });

  it('goes from tags to their values and quotes blanks', () => {
    expect(terms('tag:E')).toContain('tag:Env=');
    expect(terms('tag:Env=')).toEqual(['tag:Env=prod', 'tag:Env=dev']);
    expect(terms('tag:"Cost Center=')).toEqual(['tag:"Cost Center=R and D"']);
    expect(complete('tag:E', values)[0]?.open).toBe(true);
  });

  it('has nothing to add to a finished value', () => {
    expect(terms('platform:linux')).toEqual([]);
  });
});
