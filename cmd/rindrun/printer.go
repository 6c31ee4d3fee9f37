package main

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// printer writes text and remembers the first error, so that a full disk or a
// closed pipe is reported once, at the end.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) printf(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}

// result is the error of the output, with the exit status it leads to.
func (p *printer) result() error {
	if p.err == nil {
		return nil
	}
	return &statusError{exitInternal, fmt.Errorf("write output: %w", p.err)}
}

// printable keeps a line in one piece, and the terminal in order, whatever a
// service or a plugin has said: control characters, also those beyond ASCII, and
// those that change the direction of text are shown as spaces.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}
