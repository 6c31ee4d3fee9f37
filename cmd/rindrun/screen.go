package main

import (
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// screen is the terminal that something is written to. The zero screen is none: a file
// or a pipe, which has room for everything.
type screen struct {
	redraws       bool // it can be written anew from its first line on
	colour        bool
	columns, rows int // 0: as many as are needed
}

// screenOf returns the terminal that w is. NO_COLOR (no-color.org) forbids colours, and
// TERM=dumb everything but lines.
func screenOf(w io.Writer) screen {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return screen{}
	}
	s := screen{redraws: true, colour: os.Getenv("NO_COLOR") == ""}
	if columns, rows, err := term.GetSize(int(f.Fd())); err == nil {
		s.columns, s.rows = columns, rows
	}
	return s
}

// Control sequences of ECMA-48, and of the VT100 that every terminal is like.
const (
	wipe     = "\x1b[H\x1b[2J" // cursor home, erase the screen, but not what has scrolled away
	cutLines = "\x1b[?7l"      // what is longer than a line is cut off
	wrap     = "\x1b[?7h"      // it goes on in the next line
)

// redraw returns what shows a text in place of what the screen shows: as much as there
// is room for, because what scrolls away is what somebody has done before.
func (s screen) redraw(text string) string {
	lines := strings.SplitAfter(strings.TrimSuffix(text, "\n"), "\n")
	if room := s.rows - 1; s.rows > 1 && len(lines) > room {
		lines = append(lines[:room-1:room-1], "… and more: the screen is not high enough")
	}
	return wipe + cutLines + strings.Join(lines, "") + "\n" + wrap
}
