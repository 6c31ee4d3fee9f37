package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// TestExampleScenarios runs the scenarios beside the examples.
func TestExampleScenarios(t *testing.T) {
	files, err := filepath.Glob("../../examples/*/*.scenario")
	if err != nil {
		t.Fatal(err)
	}
	seed, err := filepath.Glob("../../examples/seed/*/*.scenario")
	if err != nil || len(seed) < 7 {
		t.Fatalf("%d scenarios of the seed: %v", len(seed), err)
	}
	for _, f := range append(files, seed...) {
		t.Run(filepath.Base(filepath.Dir(f)), func(t *testing.T) {
			var out, bad bytes.Buffer
			status := run([]string{"test", filepath.Dir(f)}, env{stdin: strings.NewReader(""), stdout: &out, stderr: &bad})
			if status != statusOK {
				t.Errorf("status %d\n%s%s", status, &out, &bad)
			}
		})
	}
}
