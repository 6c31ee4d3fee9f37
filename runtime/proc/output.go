package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// MaxLine is how many bytes of a line Output hands on at once. Longer lines come
// in pieces of this size.
const MaxLine = 8 << 10

// An Output carries what a service prints, line by line. It is a pipe: the service
// writes ahead of the reader by what a pipe holds, 64 KiB as a rule, and then
// blocks. So a handler that is slow for long slows the service down; it never
// loses a line.
//
//	OpenOutput, Start with FD as Stdout and Stderr, then Run; or Close if Start fails
type Output struct {
	file *os.File // the end to read

	mu    sync.Mutex
	write int  // the end to write, -1 once closed
	taken bool // by Run or Close, which closes the file
}

// OpenOutput returns an Output that nobody writes to yet.
func OpenOutput() (*Output, error) {
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		return nil, fmt.Errorf("output: pipe: %w", err)
	}
	// Only our end does not block: the flag is not shared between the two.
	if err := unix.SetNonblock(pipe[0], true); err != nil {
		return nil, errors.Join(fmt.Errorf("output: %w", err), unix.Close(pipe[0]), unix.Close(pipe[1]))
	}
	return &Output{file: os.NewFile(uintptr(pipe[0]), "service output"), write: pipe[1]}, nil
}

// FD returns the descriptor to give to a service, for Start alone: Run and Close
// close it.
func (o *Output) FD() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.write
}

// Run hands every line to handle, without its newline, and returns when the last
// writer is gone or ctx ends: a descendant of the service may keep the pipe open
// for as long as it likes, and gets SIGPIPE if it writes after that. What was
// printed until then is handed on first, an unfinished line too, also if ctx has
// ended before Run begins. The bytes are as the service wrote them, control
// characters included, and good until handle returns.
//
// Run is called once, after Start, and closes the Output.
func (o *Output) Run(ctx context.Context, handle func(line []byte)) error {
	if err := o.take(); err != nil {
		return err
	}
	return errors.Join(o.run(ctx, handle), o.file.Close())
}

// Collect returns everything that is printed until the last writer is gone, at
// most limit bytes. It fails if there is more, or when ctx ends, with what came
// until then.
//
// Collect is called once in place of Run, and closes the Output.
func (o *Output) Collect(ctx context.Context, limit int) ([]byte, error) {
	if err := o.take(); err != nil {
		return nil, err
	}
	defer func() { _ = o.file.Close() }()
	defer expire(ctx, o.file)()
	b, err := io.ReadAll(io.LimitReader(o.file, int64(limit)+1))
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return b, fmt.Errorf("output: %w", context.Cause(ctx))
	case err != nil:
		return b, fmt.Errorf("output: %w", err)
	case len(b) > limit:
		return b[:limit], fmt.Errorf("output: more than %d bytes", limit)
	}
	return b, nil
}

func (o *Output) run(ctx context.Context, handle func(line []byte)) error {
	defer expire(ctx, o.file)()
	l := lines{handle: handle}
	defer l.flush()
	for {
		n, err := o.file.Read(l.room())
		l.add(n)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return o.drain(&l)
		default:
			return fmt.Errorf("output: %w", err)
		}
	}
}

// take makes the caller the one who closes the file, and closes the end to write:
// with it open there would always be a writer.
func (o *Output) take() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.taken {
		return fmt.Errorf("output: %w", os.ErrClosed)
	}
	o.taken = true
	fd := o.write
	o.write = -1
	if err := unix.Close(fd); err != nil {
		return errors.Join(fmt.Errorf("output: %w", err), o.file.Close())
	}
	return nil
}

// Close closes an Output that is not run. After Run has begun it does nothing.
func (o *Output) Close() error {
	if err := o.take(); err != nil {
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		return err
	}
	return o.file.Close()
}

// drain reads what the pipe holds at the moment, and no more than a pipe can hold:
// a writer that goes on must not keep it.
func (o *Output) drain(l *lines) error {
	conn, err := o.file.SyscallConn()
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	var readErr error
	err = conn.Control(func(fd uintptr) {
		var size int
		size, readErr = unix.FcntlInt(fd, unix.F_GETPIPE_SZ, 0)
		for readErr == nil && size > 0 {
			var n int
			n, readErr = unix.Read(int(fd), l.room())
			if n <= 0 {
				break
			}
			l.add(n)
			size -= n
		}
	})
	if err = errors.Join(err, readErr); err != nil && !errors.Is(err, unix.EAGAIN) {
		return fmt.Errorf("output: %w", err)
	}
	return nil
}

// lines cuts bytes into lines.
type lines struct {
	handle func([]byte)
	buf    [MaxLine]byte
	n      int // bytes of buf in use: the beginning of a line
}

// room is where to read more bytes to. It is never empty.
func (l *lines) room() []byte { return l.buf[l.n:] }

// add takes in n bytes that were read into room.
func (l *lines) add(n int) {
	l.n += max(n, 0)
	rest := l.buf[:l.n]
	for {
		line, after, found := bytes.Cut(rest, []byte{'\n'})
		if !found {
			break
		}
		l.handle(line)
		rest = after
	}
	if len(rest) == len(l.buf) {
		l.handle(rest)
		rest = nil
	}
	l.n = copy(l.buf[:], rest)
}

func (l *lines) flush() {
	if l.n > 0 {
		l.handle(l.buf[:l.n])
		l.n = 0
	}
}

// LogLines returns a handler for Run that logs every line of a service.
func LogLines(log *slog.Logger, service string, pid int) func(line []byte) {
	return func(line []byte) {
		log.Info("service output",
			slog.String("service", service), slog.Int("pid", pid), slog.String("line", string(line)))
	}
}
