package notify

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
)

// MaxMessage is how long a message may be: NOTIFY_BUFFER_MAX of systemd, which is
// PIPE_BUF.
const MaxMessage = 4096

// A Message is one message of sd_notify(3). The zero value of a field means that
// the message does not have it, or has it with a value that says nothing.
type Message struct {
	Ready     bool   // READY=1
	Reloading bool   // RELOADING=1
	Stopping  bool   // STOPPING=1
	Status    string // STATUS=…, printable
	Errno     syscall.Errno
	MainPID   int           // MAINPID=…
	Alive     bool          // WATCHDOG=1
	Failing   bool          // WATCHDOG=trigger
	Watchdog  time.Duration // WATCHDOG_USEC=…
	Extend    time.Duration // EXTEND_TIMEOUT_USEC=…
	Monotonic time.Duration // MONOTONIC_USEC=…: when the reload began, of CLOCK_MONOTONIC
	Access    Access        // NOTIFYACCESS=…
	Barrier   bool          // BARRIER=1
	Store     bool          // FDSTORE=1
	Remove    bool          // FDSTOREREMOVE=1
	FDName    string        // FDNAME=…, valid
	NoPoll    bool          // FDPOLL=0
}

// Access is who of a service may send messages.
type Access uint8

// Accesses. The zero Access is that a message says nothing of it.
const (
	_          Access = iota
	AccessMain        // the main process
	AccessAll         // every process of the service
)

// ErrNUL refuses a message with a NUL byte in it. One at the end is a slip that
// C programs make.
var ErrNUL = errors.New("a NUL byte within the message")

// errNotNumber says nothing more than the value that goes with it.
var errNotNumber = errors.New("not a number")

// Parse reads a message: lines of KEY=VALUE. What it does not know is no error,
// so that services may be newer than this program. An error is a value that cannot
// be; then the rest of the message counts, unless the error is [ErrNUL].
func Parse(text []byte) (Message, error) {
	text = bytes.TrimSuffix(text, []byte{0})
	if bytes.IndexByte(text, 0) >= 0 {
		return Message{}, ErrNUL
	}
	var m Message
	var errs []error
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if !ok {
			continue
		}
		if err := m.set(key, value); err != nil {
			errs = append(errs, fmt.Errorf("%s=%s: %w", key, printable(value, maxShown), err))
		}
	}
	return m, errors.Join(errs...)
}

// maxShown bounds a value in an error.
const maxShown = 40

// set takes over one line.
func (m *Message) set(key, value string) (err error) {
	is := value == "1"
	switch key {
	case "READY":
		m.Ready = m.Ready || is
	case "RELOADING":
		m.Reloading = m.Reloading || is
	case "STOPPING":
		m.Stopping = m.Stopping || is
	case "BARRIER":
		m.Barrier = m.Barrier || is
	case "FDSTORE":
		m.Store = m.Store || is
	case "FDSTOREREMOVE":
		m.Remove = m.Remove || is
	case "FDPOLL":
		m.NoPoll = value == "0"
	case "FDNAME":
		m.FDName, err = fdName(value)
	case "STATUS":
		m.Status = printable(value, MaxMessage)
	case "WATCHDOG":
		m.Alive = m.Alive || is
		m.Failing = m.Failing || value == "trigger"
	case "NOTIFYACCESS":
		m.Access, err = access(value)
	case "ERRNO":
		m.Errno, err = errno(value)
	case "MAINPID":
		m.MainPID, err = pid(value)
	case "WATCHDOG_USEC":
		m.Watchdog, err = microseconds(value)
	case "EXTEND_TIMEOUT_USEC":
		m.Extend, err = microseconds(value)
	case "MONOTONIC_USEC":
		m.Monotonic, err = microseconds(value)
	}
	return err
}

// fdName checks a name as sd_pid_notify_with_fds(3) wants it.
func fdName(value string) (string, error) {
	const maxName = 255
	for i := range len(value) {
		if c := value[i]; c < 0x20 || c > 0x7e || c == ':' {
			return "", errors.New("a descriptor name has printable ASCII characters without ':'")
		}
	}
	if value == "" || len(value) > maxName {
		return "", fmt.Errorf("a descriptor name has 1 to %d characters", maxName)
	}
	return value, nil
}

func access(value string) (Access, error) {
	switch value {
	case "main", "none": // a service that may say nothing could not take it back
		return AccessMain, nil
	case "exec", "all":
		return AccessAll, nil
	}
	return 0, errors.New("want none, main, exec or all")
}

func errno(value string) (syscall.Errno, error) {
	const maxErrno = 4095
	n, err := strconv.ParseUint(value, 10, 16)
	if err != nil || n > maxErrno {
		return 0, errNotNumber
	}
	return syscall.Errno(n), nil
}

func pid(value string) (int, error) {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n <= 0 {
		return 0, errNotNumber
	}
	return int(n), nil
}

// microseconds reads a time span. What is longer than a Duration is as long as
// one: UINT64_MAX means for ever.
func microseconds(value string) (time.Duration, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	switch {
	case err != nil:
		return 0, errNotNumber
	case n > math.MaxInt64/uint64(time.Microsecond):
		return math.MaxInt64, nil
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Text is the status with the error in it, for people: "cannot read (EIO:
// input/output error)".
func (m *Message) Text() string {
	if m.Errno == 0 {
		return m.Status
	}
	text := m.Errno.Error()
	if name := unix.ErrnoName(m.Errno); name != "" {
		text = name + ": " + text
	}
	if m.Status == "" {
		return text
	}
	return m.Status + " (" + text + ")"
}

// printable makes a text that a terminal can show, of at most so many bytes.
func printable(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
	if len(s) <= limit {
		return s
	}
	end := limit
	for end > 0 && s[end]&0xc0 == 0x80 { // not within a character
		end--
	}
	return s[:end]
}
