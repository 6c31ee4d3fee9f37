package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/rind-sockets/rind/compiler/diag/render"
)

// TestManual keeps the documentation true: docs/rindc.md names every command, the
// flags of check and build, and every format; other flags are on some page.
func TestManual(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	var manual string
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
		if filepath.Base(page) == "rindc.md" {
			manual = string(text)
		}
	}
	for _, f := range render.Formats {
		if !strings.Contains(manual, "| `"+f.Name+"` |") {
			t.Errorf("docs/rindc.md does not have the format %s", f.Name)
		}
	}
	root := newRoot(env{})
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if !strings.Contains(manual, "`rindc "+c.Name()) {
			t.Errorf("docs/rindc.md does not have the command %s", c.Name())
		}
		where := all.String()
		if c.Name() == "check" || c.Name() == "build" {
			where = manual
		}
		checkFlags(t, c, where)
	}
}

func checkFlags(t *testing.T, c *cobra.Command, text string) {
	t.Helper()
	if c.Name() == "completion" {
		return // cobra's own
	}
	for _, f := range longFlag.FindAllString(c.LocalNonPersistentFlags().FlagUsages(), -1) {
		if f = f[strings.Index(f, "--"):]; !strings.Contains(text, f) && f != "--output" { // written -o
			t.Errorf("the flag %s of %s is not documented", f, c.Name())
		}
	}
}

// longFlag finds flags at the start of the lines of a usage text.
var longFlag = regexp.MustCompile(`(?m)^ +(?:-\w, )?--[a-z-]+`)
