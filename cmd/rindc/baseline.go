package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/diag/render"
	"github.com/rind-sockets/rind/compiler/source"
)

// baselineHeader is the first line of a baseline. Its number is raised when the
// lines below mean something else.
const baselineHeader = "# rindc baseline 1"

// maxBaseline bounds how much of a baseline is read.
const maxBaseline = 64 << 20

// baseline is the findings that are known and not reported: by fingerprint,
// whether it has occurred. The nil baseline has none.
type baseline map[string]bool

// encodeBaseline returns the text of a baseline. Each line begins with a
// fingerprint; the rest is for people.
func encodeBaseline(ds []diag.Diagnostic, prints []string, locate func(source.Place) source.Span) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: findings that `rindc check --baseline` does not report\n", baselineHeader)
	for i, d := range ds {
		file := ""
		if at := d.Where(locate); !at.IsZero() {
			file = render.Visible(at.File.Name) + ": " // no line: it would change with every edit above
		}
		fmt.Fprintf(&b, "%s %s %s%s\n", prints[i], d.Code, file, render.Visible(d.Message))
	}
	return b.Bytes()
}

func readBaseline(name string) (baseline, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	text, err := readAll(f, maxBaseline)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if !bytes.HasPrefix(text, []byte(baselineHeader)) {
		return nil, fmt.Errorf("read %s: this is no baseline: the first line is not %q", name, baselineHeader)
	}
	b := baseline{}
	for line := range strings.Lines(string(text)) {
		if word, _, _ := strings.Cut(line, " "); word != "#" {
			b[strings.TrimSpace(word)] = false
		}
	}
	return b, nil
}

// remove returns the findings that are not in the baseline.
func (b baseline) remove(ds []diag.Diagnostic, locate func(source.Place) source.Span) []diag.Diagnostic {
	var left []diag.Diagnostic
	for i, key := range diag.Fingerprints(ds, locate) {
		if _, known := b[key]; known {
			b[key] = true
		} else {
			left = append(left, ds[i])
		}
	}
	return left
}

// gone returns how many findings of the baseline have not occurred.
func (b baseline) gone() int {
	n := 0
	for _, occurred := range b {
		if !occurred {
			n++
		}
	}
	return n
}
