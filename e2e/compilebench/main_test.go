package main

import (
	"strings"
	"testing"
	"time"
)

func TestReport(t *testing.T) {
	programs := []usage{
		{wall: 20 * time.Millisecond},
		{wall: 260 * time.Millisecond, rss: 150_000},
		{wall: 2900 * time.Millisecond},
	}
	var out strings.Builder
	report(&out, programs, usage{wall: 290 * time.Millisecond})
	for line, verdict := range map[string]string{
		"check 1,000 units": "met", "check 10,000 units": "missed", "check 100,000 units": "met",
		"growth from 1,000 to 10,000": "missed", "growth from 10,000 to 100,000": "met",
		"max RSS with 10,000 units": "met", "check 10,000 sockets, one broken": "met",
	} {
		_, rest, ok := strings.Cut(out.String(), line+"  ")
		rest, _, _ = strings.Cut(rest, "\n")
		if !ok || !strings.HasSuffix(rest, "  "+verdict) {
			t.Errorf("%s: %q, want %s in:\n%s", line, rest, verdict, &out)
		}
	}
}
