/**
 * Whether a graphics card draws for us. Where there is none, WebGL is there all the same, played by
 * the processor: it takes a second for the first line of text, and then draws no better than the page.
 */

/** Milliseconds for sixteen million points. The slowest of cards needs twenty, a processor a hundred or two. */
const cardNeeds = 40;
const side = 1024;
const layers = 16;

let known: boolean | null = null;

/** Finds out when first asked, which takes a moment; so it is asked once while nothing else is to do. */
export function hasCard(): boolean {
  known ??= timeToFill() < cardNeeds;
  return known;
}

/** How long some layers of a canvas take, or as long as it looked. Infinite where nothing can be drawn. */
function timeToFill(): number {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = side;
  const gl = canvas.getContext('webgl2', { antialias: false, depth: false });
  if (gl === null) return Infinity;
  const program = gl.createProgram();
  for (const [kind, source] of [
    [gl.VERTEX_SHADER, vertices],
    [gl.FRAGMENT_SHADER, pixels],
  ] as const) {
    const shader = gl.createShader(kind);
    if (shader === null) return Infinity;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.enable(gl.BLEND);
  gl.viewport(0, 0, side, side);
  const start = performance.now();
  let took = 0;
  for (let layer = 0; layer < layers && took < cardNeeds; layer += 1) {
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    // Only what is read has surely been drawn.
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    took = performance.now() - start;
  }
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return took;
}

const vertices = `#version 300 es
void main() {
  gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}`;

const pixels = `#version 300 es
precision highp float;
uniform sampler2D letters[8];
out vec4 colour;
void main() {
  vec2 at = gl_FragCoord.xy / 300.0;
  colour = texture(letters[0], at) + texture(letters[3], at.yx) + texture(letters[7], at * at);
}`;
