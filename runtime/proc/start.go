package proc

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// startTimeout bounds a start: nothing but the file systems of the program and
// its directory can take time.
const startTimeout = 30 * time.Second

// errCloneRefused says that this kernel, or a filter, has no clone3 for us.
var errCloneRefused = errors.New("clone3 refused")

// cloneRefused remembers errCloneRefused, which does not change.
var cloneRefused atomic.Bool

// Start starts a service and returns when its program runs, that is when exec has
// succeeded. If it fails, no process and no descriptor is left, and the error
// names the step, its object and the errno, which errors.Is finds.
//
// Start may be called concurrently. It blocks for as long as the kernel needs to
// open the program, 30s at most: not a call for an event loop.
func Start(spec *Spec) (*Process, error) {
	p, err := start(spec)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	return p, nil
}

func start(spec *Spec) (*Process, error) {
	j, err := newJob(spec)
	if err != nil {
		return nil, err
	}
	defer begin()()
	if !cloneRefused.Load() {
		p, err := startClone(j, startTimeout)
		if !errors.Is(err, errCloneRefused) {
			return p, err
		}
		cloneRefused.Store(true)
	}
	return startLauncher(j, startTimeout)
}

// discard takes away what a failed start has left: a process that has ended or is
// about to, and its pidfd, which it closes.
func discard(pidfd int) error {
	_, err := waitExit(pidfd, unix.WEXITED)
	return errors.Join(err, unix.Close(pidfd))
}
