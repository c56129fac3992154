#pragma once
// How the kernel schedules the data-plane thread.

namespace idloc {

// Before JavaScript and before the programs that wait for its packets, where the process may (CAP_SYS_NICE or
// RLIMIT_NICE), and soon after it wakes up. Not real-time: that would starve others when there is too little
// CPU.
void HurryThisThread();

// JavaScript, and what is in no hurry at all, goes after that and after those programs: with much to do, it
// takes a tenth of a processor that others want. A short slice lets it answer soon when it has little.
// Threads begin with what their maker has.
void RelaxThisThread();

}  // namespace idloc
