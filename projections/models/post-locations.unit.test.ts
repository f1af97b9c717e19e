import { describe, expect, it } from 'vitest';
import { locationIdOf } from './post-locations.ts';

const pier = { name: 'Pier 7', lat: 53.5461, lng: -0.0001 };

describe('locationIdOf', () => {
  it('gives one id to one spot, however it is spelled and whichever corner of it is meant', () => {
    expect(locationIdOf({ name: ' PIER  7', lat: 53.54611, lng: 0.0002 })).toBe(locationIdOf(pier));
    expect(locationIdOf(pier)).toMatch(/^loc_[0-9a-f]{26}$/);
  });

  it('gives the id that it always gave, as clients keep it', () => {
    expect(locationIdOf({ name: 'Łódź’s Café', lat: 51.7592, lng: 19.456 })).toBe('loc_db820a52974e753ad697e6bd2f');
  });

  it('tells other names and other spots apart', () => {
    expect(locationIdOf({ ...pier, name: 'Pier 8' })).not.toBe(locationIdOf(pier));
    expect(locationIdOf({ ...pier, lat: 53.5481 })).not.toBe(locationIdOf(pier));
  });
});
