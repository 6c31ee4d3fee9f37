package check_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
)

// TestNoFalsePositives checks unit files that are as they should be.
func TestNoFalsePositives(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "ok", "*.toml"))
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".toml"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			_, ds := checked(t, string(text))
			for _, d := range diag.Sorted(ds, decode.Locate) {
				t.Errorf("%s\n\thelp: %s", show(d), d.Help)
			}
		})
	}
}
