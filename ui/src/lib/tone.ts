/** How a state looks. Each tone has its own shape, so that colour is never the only sign. */
export type Tone = 'good' | 'starting' | 'reconnecting' | 'waiting' | 'off' | 'bad';
