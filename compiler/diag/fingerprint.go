package diag

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/rind-sockets/rind/compiler/source"
)

// maxPrint bounds how much of the text at a place a fingerprint depends on.
const maxPrint = 1024

// Fingerprints returns a name for each finding, by which it can be recognized
// in a later version of its file. The name depends on the code, the file, the
// unit and the text at the place, but neither on lines nor on the wording of the
// message. Findings that have all this in common are numbered in the order
// given, which is best that of [Sorted].
func Fingerprints(ds []Diagnostic, locate func(source.Place) source.Span) []string {
	seen := map[string]int{}
	prints := make([]string, len(ds))
	for i, d := range ds {
		key := identity(d, locate)
		seen[key]++
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", key, seen[key]))
		prints[i] = hex.EncodeToString(sum[:16])
	}
	return prints
}

func identity(d Diagnostic, locate func(source.Place) source.Span) string {
	at := d.Where(locate)
	if at.IsZero() {
		return string(d.Code)
	}
	var unit, marked string
	if d.At.IsZero() {
		// Not in a unit: the line has to do instead.
		line, _ := at.File.Position(at.Start)
		start := at.File.LineStart(line)
		marked = strings.TrimSpace(text(source.Span{File: at.File, Start: start, End: start + len(at.File.Line(line))}))
	} else {
		name := locate(d.At.Unit().At("name"))
		unit = d.At.Kind() + text(name)
		marked = text(at)
	}
	return strings.Join([]string{string(d.Code), at.File.Name, unit, marked}, "\x00")
}

// text returns what a span has, as far as it matters.
func text(s source.Span) string {
	start := min(max(s.Start, 0), len(s.File.Text))
	end := min(max(s.End, start), len(s.File.Text), start+maxPrint)
	return string(s.File.Text[start:end])
}
