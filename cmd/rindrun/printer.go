package main

import (
	"fmt"
	"io"
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
