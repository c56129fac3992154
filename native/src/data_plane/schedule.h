#pragma once
// How the kernel schedules the data-plane thread.

namespace idloc {

// Before JavaScript and before the programs that wait for its packets, where the process may (CAP_SYS_NICE or
// RLIMIT_NICE), and soon after it wakes up. Not real-time: that would starve others when there is too little
// CPU.
void HurryThisThread();

// JavaScript goes after that: back to nice 0 where the process was started with less (Nice= of the service).
void RelaxThisThread();

}  // namespace idloc
