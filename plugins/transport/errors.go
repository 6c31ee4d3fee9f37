package transport

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/rind-sockets/rind/plugins/transport/transportv1"
)

// Code tells the host what kind of failure it was, and so whether trying again
// makes sense.
type Code = transportv1.BindError_Code

// Codes. docs/plugin-protocol.md says which are tried again.
const (
	InvalidAddress      = transportv1.BindError_INVALID_ADDRESS
	InvalidOption       = transportv1.BindError_INVALID_OPTION
	Unsupported         = transportv1.BindError_UNSUPPORTED
	AddressInUse        = transportv1.BindError_ADDRESS_IN_USE
	AddressNotAvailable = transportv1.BindError_ADDRESS_NOT_AVAILABLE
	Permission          = transportv1.BindError_PERMISSION
	ResourceExhausted   = transportv1.BindError_RESOURCE_EXHAUSTED
	Unavailable         = transportv1.BindError_UNAVAILABLE
	Internal            = transportv1.BindError_INTERNAL
)

// Error is a failed bind, or what is wrong with an endpoint.
type Error struct {
	Code    Code
	Message string     // one line that names the address or the option
	Hint    string     // what to do, if that is known
	Field   string     // the option that is wrong; empty means the address
	Errno   unix.Errno // what the kernel said, or 0

	// RetryAfter is how long the host should wait before it tries again. Zero
	// leaves that to the host.
	RetryAfter time.Duration
}

// Error returns the message with the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// Unwrap returns the errno, if there is one.
func (e *Error) Unwrap() error {
	if e.Errno == 0 {
		return nil
	}
	return e.Errno
}

// CodeOf returns the code for what the kernel said.
func CodeOf(errno unix.Errno) Code {
	if code, ok := codeOf[errno]; ok {
		return code
	}
	return Internal
}

var codeOf = map[unix.Errno]Code{
	unix.EADDRINUSE: AddressInUse,

	unix.EADDRNOTAVAIL: AddressNotAvailable,
	unix.ENODEV:        AddressNotAvailable,
	unix.ENXIO:         AddressNotAvailable,

	unix.EACCES: Permission,
	unix.EPERM:  Permission,
	unix.EROFS:  Permission,

	unix.EMFILE:       ResourceExhausted,
	unix.ENFILE:       ResourceExhausted,
	unix.ENOMEM:       ResourceExhausted,
	unix.ENOBUFS:      ResourceExhausted,
	unix.ENOSPC:       ResourceExhausted,
	unix.EDQUOT:       ResourceExhausted,
	unix.ETOOMANYREFS: ResourceExhausted,

	unix.EAFNOSUPPORT:    Unsupported,
	unix.EPROTONOSUPPORT: Unsupported,
	unix.ESOCKTNOSUPPORT: Unsupported,
	unix.EOPNOTSUPP:      Unsupported,
	unix.ENOPROTOOPT:     Unsupported,
	unix.ENOSYS:          Unsupported,

	unix.EINVAL:       InvalidAddress,
	unix.ENAMETOOLONG: InvalidAddress,
	unix.ENOTDIR:      InvalidAddress,
	unix.ELOOP:        InvalidAddress,
	unix.ENOENT:       InvalidAddress,

	unix.EAGAIN:       Unavailable,
	unix.ETIMEDOUT:    Unavailable,
	unix.ECONNREFUSED: Unavailable,
	unix.ENETUNREACH:  Unavailable,
	unix.EHOSTUNREACH: Unavailable,
}

// sysError is a system call that failed for an address: "bind 127.0.0.1:80:
// permission denied".
func sysError(op, address string, err error, hint string) *Error {
	e := &Error{Code: Internal, Message: fmt.Sprintf("%s %s: %s", op, address, err), Hint: hint}
	if errors.As(err, &e.Errno) {
		e.Code = CodeOf(e.Errno)
	}
	return e
}

// asError gives every error a code.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code != transportv1.BindError_CODE_UNSPECIFIED {
		return e
	}
	e := &Error{Code: Internal, Message: err.Error()}
	switch {
	case errors.As(err, &e.Errno):
		e.Code = CodeOf(e.Errno)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e.Code = Unavailable
	}
	return e
}

// wire returns the error as it is sent.
func (e *Error) wire() *transportv1.BindError {
	return &transportv1.BindError{
		Code:         e.Code,
		Message:      strings.ToValidUTF8(e.Message, "\uFFFD"),
		Hint:         strings.ToValidUTF8(e.Hint, "\uFFFD"),
		OsErrno:      int32(e.Errno),
		RetryAfterMs: uint32(min(max(e.RetryAfter, 0), time.Hour).Milliseconds()),
	}
}

// clip keeps a foreign text from filling a message.
func clip(s string) string {
	const most = 120
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
