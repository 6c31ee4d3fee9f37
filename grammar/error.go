package grammar

import (
	"errors"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/alecthomas/participle/v2"
)

// Error says what is wrong with a string and where in it.
type Error struct {
	From, To int    // bytes of the string
	Message  string // lower case, no period
	Help     string // what to do
}

func (e *Error) Error() string { return e.Message }

func errorAt(from, to int, help, format string, args ...any) *Error {
	return &Error{From: from, To: to, Message: fmt.Sprintf(format, args...), Help: help}
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
