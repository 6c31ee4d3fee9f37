package pluginhost

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// ErrClosed says that the host was closed.
var ErrClosed = errors.New("plugin host is closed")

// ErrNotFound says that no plugin directory has the plugin.
var ErrNotFound = errors.New("no executable")

// ErrChecksum says that an executable is not the one that the plan was compiled
// for, and was not started.
var ErrChecksum = errors.New("it is not the executable that the plan was compiled for, and was not started")

// PluginError says that the plugin of a transport could not be used, or broke
// the protocol.
type PluginError struct {
	Transport string
	Path      string        // of the executable; empty when it is not known
	After     time.Duration // when positive: no start is tried before this time has passed
	Err       error

	died bool // the process ended during the call, by itself or by a stranger
}

// lateError says that a plugin was killed because it did not do something in
// time. The machine may be busy.
type lateError struct {
	what  string
	limit time.Duration
}

func (e *lateError) Error() string {
	return fmt.Sprintf("it did not %s within %v and was killed", e.what, e.limit)
}

// Error implements error.
func (e *PluginError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("transport %s: %v", clean(e.Transport, maxName), e.Err)
	}
	return fmt.Sprintf("transport %s: plugin %s: %v", e.Transport, e.Path, e.Err)
}

// Unwrap returns the reason.
func (e *PluginError) Unwrap() error { return e.Err }

// Temporary reports whether the same call may succeed later although nothing
// was installed or compiled anew. The plugin is then started again on the next
// call, when it is not running.
func (e *PluginError) Temporary() bool {
	var late *lateError
	if e.died || e.After > 0 || errors.As(e.Err, &late) {
		return true
	}
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EAGAIN, syscall.ENOSPC} {
		if errors.Is(e.Err, errno) {
			return true // of this process, or of the machine
		}
	}
	return false
}

// died reports whether a call failed because the process ended without the host.
func died(err error) bool {
	var pe *PluginError
	return errors.As(err, &pe) && pe.died
}

// BindError is what a plugin says when it could not bind an endpoint. The texts
// come from the plugin; they are bounded and have no control characters.
type BindError struct {
	Address    string
	Code       transportv1.BindError_Code // INTERNAL in place of a code that is not known
	Message    string
	Hint       string        // what to do about it; may be empty
	Errno      syscall.Errno // 0 when the plugin names none
	RetryAfter time.Duration // what the plugin asks for; 0 leaves it to the caller
}

// Bounds of what is taken over from a plugin into an error or a status.
const (
	maxText       = 1024
	maxRetryAfter = time.Hour
	maxErrno      = 4095 // MAX_ERRNO of the kernel
)

// newBindError takes over what a plugin said.
func newBindError(address string, from *transportv1.BindError) *BindError {
	e := &BindError{
		Address:    address,
		Code:       from.GetCode(),
		Message:    clean(from.GetMessage(), maxText),
		Hint:       clean(from.GetHint(), maxText),
		RetryAfter: min(time.Duration(from.GetRetryAfterMs())*time.Millisecond, maxRetryAfter),
	}
	if n := from.GetOsErrno(); 0 < n && n <= maxErrno {
		e.Errno = syscall.Errno(n)
	}
	if _, known := transportv1.BindError_Code_name[int32(e.Code)]; !known || e.Code == transportv1.BindError_CODE_UNSPECIFIED {
		e.Code = transportv1.BindError_INTERNAL
	}
	if e.Message == "" && e.Errno != 0 {
		e.Message = e.Errno.Error()
	}
	if e.Message == "" {
		e.Message = strings.ToLower(strings.ReplaceAll(e.Code.String(), "_", " "))
	}
	return e
}

// Error implements error: "bind 127.0.0.1:80: permission denied (needs
// CAP_NET_BIND_SERVICE)".
func (e *BindError) Error() string {
	s := e.Message
	// A plugin may have named it, and the call that failed; of an option, the
	// address does not matter.
	if !strings.Contains(s, e.Address) && !strings.HasPrefix(s, "option ") {
		s = "bind " + e.Address + ": " + s
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the errno, so that errors.Is(err, syscall.EADDRINUSE) works.
func (e *BindError) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// Temporary reports whether the same bind may succeed later although nothing
// was changed in the plan. For INTERNAL, a bug of the plugin, a caller gives up
// after three attempts.
func (e *BindError) Temporary() bool {
	switch e.Code {
	case transportv1.BindError_ADDRESS_IN_USE,
		transportv1.BindError_ADDRESS_NOT_AVAILABLE,
		transportv1.BindError_RESOURCE_EXHAUSTED,
		transportv1.BindError_UNAVAILABLE,
		transportv1.BindError_INTERNAL:
		return true
	case transportv1.BindError_CODE_UNSPECIFIED,
		transportv1.BindError_INVALID_ADDRESS,
		transportv1.BindError_INVALID_OPTION,
		transportv1.BindError_UNSUPPORTED,
		transportv1.BindError_PERMISSION:
	}
	return false
}
