package grammar

import (
	"errors"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2"

	"github.com/rind-sockets/rind/compiler/diag"
)

// Error says what is wrong with a string and where in it.
type Error struct {
	From, To int    // bytes of the string
	Message  string // lower case, no period
	Help     string // what to do

	// Instead is what to write for the bytes From..To, if that is certainly or
	// probably what was meant: the rest of the string stays. Empty when only a
	// person can know.
	Instead string
}

func (e *Error) Error() string { return e.Message }

func errorAt(from, to int, help, format string, args ...any) *Error {
	return &Error{From: from, To: to, Message: fmt.Sprintf(format, args...), Help: help}
}

// Fix returns the correction of the string s that e is about, nil if there is none.
func (e *Error) Fix(s string) *diag.Fix {
	if e.Instead == "" {
		return nil
	}
	return &diag.Fix{Old: s[e.From:e.To], New: e.Instead}
}

// instead returns e with what to write in its place.
func (e *Error) instead(s string) *Error {
	e.Instead = s
	return e
}

// offsetOf returns where a parser stopped.
func offsetOf(err error) int {
	if pe := participle.Error(nil); errors.As(err, &pe) {
		return pe.Position().Offset
	}
	return 0
}

// badRune returns the place of the first byte of s that is a control
// character or no UTF-8.
func badRune(s string) (from, to int, found bool) {
	for i, r := range s {
		n := runeLen(s[i:])
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) {
			return i, i + n, true
		}
	}
	return 0, 0, false
}

// show quotes the character at the start of s for a message.
func show(s string) string {
	if n := runeLen(s); n > 0 {
		return strconv.Quote(s[:n])
	}
	return "the end"
}
