/** Frames in these stand between a report and the code that it is about: interceptors and the libraries of the compiler. */
const BETWEEN = /\((libtsan|libstdc\+\+|libc|libgcc_s)\.so[^)]*\)$/;
const OURS = /\(idloc\.node\+0x[0-9a-f]+\)$/;
/** Blocks of a report that say where something came from, not who did what. */
const ORIGIN = /^ {2}(Thread|Location|Mutex|As if synchronized)\b/;

/**
 * The reports in what ThreadSanitizer wrote that are about the addon. Node's own code is not instrumented: where it
 * synchronizes by atomics the sanitizer sees nothing of it, and reports its allocator and its compiler threads. A report is
 * ours when one of its accesses was made by the addon, or by what the addon called directly.
 */
export function reportsOfAddon(text: string): string[] {
  return text.split(/^={18}$/m).filter((report) => {
    const blocks = report.split(/\n\s*\n/).map((block) => block.split('\n').filter((line) => line !== ''));
    return blocks.some((lines) => {
      const head = lines.find((line) => /^ {2}\S/.test(line));
      if (head === undefined || ORIGIN.test(head)) return false;
      const frame = lines.find((line) => /^ +#\d+ /.test(line) && !BETWEEN.test(line));
      return frame !== undefined && OURS.test(frame);
    });
  });
}
