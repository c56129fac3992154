const PATIENCE_MS = 10_000;

/** @throws {Error} naming `what`, when the promise is not settled within ten seconds. */
export async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const patience = setTimeout(() => reject(new Error(`no ${what} within ten seconds`)), PATIENCE_MS);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(patience);
  }
}
