// Package ownthread runs code on a thread that nothing else runs on. To the kernel
// identity and namespaces are a thread's, whereas a goroutine has none of its own, and the
// functions of package syscall change the identity of all threads.
package ownthread

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Run runs f on a thread that ends with it, and returns when f has. It is not the first
// thread of the process, which cannot end, and whose identity other processes see as that
// of the whole. A panic of f ends the process.
func Run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			Run(f) // on another one, since this one is locked
			runtime.UnlockOSThread()
			return
		}
		f() // never unlocked
	}()
	<-done
}

// Become makes the thread that user, with these groups and no others, for good: call it on
// a thread of [Run] only. What is done as that user must be done by the same function, and
// by nothing that starts a goroutine. It takes CAP_SETUID and CAP_SETGID; an error is an
// [*os.SyscallError], after which the thread may be anybody.
func Become(uid, gid uint32, groups []uint32) error {
	var list unsafe.Pointer
	if len(groups) > 0 {
		list = unsafe.Pointer(&groups[0])
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)), uintptr(list), 0); errno != 0 {
		return os.NewSyscallError("setgroups", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); errno != 0 {
		return os.NewSyscallError("setresgid", errno)
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
		return os.NewSyscallError("setresuid", errno)
	}
	return nil
}

// As runs f as a user, on a thread of its own, and returns its error. [Become] says what f
// may do.
func As(uid, gid uint32, groups []uint32, f func() error) (err error) {
	Run(func() {
		if err = Become(uid, gid, groups); err == nil {
			err = f()
		}
	})
	return err
}
