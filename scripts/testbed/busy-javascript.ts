/** Preloaded (`node --import`) into a program whose JavaScript a benchmark keeps busy: SIGUSR2 begins and ends it. */
const SLICE_MS = 10;

let busy = false;

function spin(): void {
  if (!busy) return;
  const end = performance.now() + SLICE_MS;
  while (performance.now() < end);
  // What waits for the event loop gets its turn, and is late.
  setImmediate(spin);
}

process.on('SIGUSR2', () => {
  busy = !busy;
  spin();
});
