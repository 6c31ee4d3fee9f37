package daemon

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/proc"
)

// outputs are where the standard output and error of one process go.
type outputs struct {
	out, err int // descriptors for the process, or proc.Null

	log   *proc.Output // of what is logged; nil: nothing
	files []int        // to close when the process has been started
}

// Descriptors of the daemon that a service inherits with "inherit".
const (
	ownStdout = 1
	ownStderr = 2
)

// openOutputs opens what a process writes to. The caller calls started once the
// process has them, or has failed.
func openOutputs(stdout, stderr plan.Output) (*outputs, error) {
	o := &outputs{}
	var err error
	if o.out, err = o.open(stdout, ownStdout); err == nil {
		if stderr == stdout && stdout.To != "inherit" {
			o.err = o.out // one description: what is written last comes last
		} else {
			o.err, err = o.open(stderr, ownStderr)
		}
	}
	if err != nil {
		return nil, errors.Join(err, o.discard())
	}
	return o, nil
}

func (o *outputs) open(to plan.Output, own int) (int, error) {
	switch to.To {
	case "inherit":
		return own, nil
	case "null":
		return proc.Null, nil
	case "file":
		fd, err := openOutputFile(to.File)
		if err != nil {
			return -1, err
		}
		o.files = append(o.files, fd)
		return fd, nil
	}
	if o.log == nil {
		log, err := proc.OpenOutput()
		if err != nil {
			return -1, err
		}
		o.log = log
	}
	return o.log.FD(), nil
}

// started closes what only the process needs.
func (o *outputs) started() {
	for _, fd := range o.files {
		_ = unix.Close(fd)
	}
	o.files = nil
}

// discard closes everything.
func (o *outputs) discard() error {
	o.started()
	if o.log == nil {
		return nil
	}
	return o.log.Close()
}

// openOutputFile opens a file to append to. It is opened, and made if need be,
// with the rights of the daemon: a service cannot change what it has written, and
// needs no right to the folder. So the last part of the path must not be a
// symbolic link, which whoever may write to the folder could have put there.
func openOutputFile(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_APPEND|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0o644)
	switch {
	case errors.Is(err, unix.ELOOP):
		return -1, fmt.Errorf("output file %s: is a symbolic link: name what it leads to", path)
	case errors.Is(err, unix.ENXIO):
		return -1, fmt.Errorf("output file %s: neither a regular file nor a device", path)
	case err != nil:
		return -1, fmt.Errorf("output file %s: %w", path, err)
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil {
		if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFREG && kind != unix.S_IFCHR {
			err = errors.New("neither a regular file nor a device")
		}
	}
	if err == nil {
		err = unix.SetNonblock(fd, false) // that was for the open
	}
	if err != nil {
		return -1, errors.Join(fmt.Errorf("output file %s: %w", path, err), unix.Close(fd))
	}
	return fd, nil
}
