// Package proc starts service processes with inherited descriptors and watches
// them until they are gone. It knows nothing of plans, sockets or the engine.
//
// # How a process is started
//
// LISTEN_PID, LISTEN_PIDFDID and the numbers of inherited descriptors are known
// only in the new process, between clone and exec, where Go cannot run. So all
// that happens there is a list of system calls (steps.go), laid out in memory
// before (image.go) and carried out in one of two ways:
//
//   - amd64: clone3 makes a process that shares this one's memory and runs the
//     list in a few lines of assembly (clone_amd64.s).
//   - Elsewhere, and where clone3 is refused (seccomp, kernels before 5.5): this
//     executable is started again as a launcher, which runs the same list in Go
//     and then execs the service in its place (launcher.go).
//
// Both give the service the same environment, descriptors, credentials,
// directory and signal state; the tests run over both.
//
// The descriptor table is copied, not shared, with the new process: packing
// descriptors into 3, 4, … is then a matter of its own table, which no other
// goroutine can disturb. The cost of a start grows with the descriptors that
// the daemon holds, by about 0.4 µs each.
//
// The same list sets what a service is restricted to (setup.go, capability.go), in
// an order that matters: limits and the bounding set while there is the right to
// change them, then the user, then the capabilities that are left, and only then
// no_new_privs.
//
// # What belongs to a process
//
// Its process group, and where a control group of version 2 may be made, all that
// is in that ([Cgroups]). Who wants to know whether another process belongs to it
// has a pidfd and asks [Process.Owns].
//
// # How a process is watched
//
// By its pidfd, in the poller of the Go runtime, and never by wait4(-1), which
// would take the exits of other people's children. See [Process].
//
// The package needs Linux 5.11 (close_range with CLOSE_RANGE_CLOEXEC) and a
// 64-bit port.
package proc
