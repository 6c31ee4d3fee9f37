package decode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/source"
)

// ordinary is a file of n sockets and services as people write them.
func ordinary(n int) *source.File {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[[socket]]\nname = \"web%d\"\ntype = \"tcp\"\nlisten = \"127.0.0.1:%d\"\nowner = \"svc%d\"\nstart-on = [{ state = \"rind@online\" }]\n\n", i, 1000+i, i)
		fmt.Fprintf(&b, "[[service]]\nname = \"svc%d\"\nrun.exec = \"/usr/bin/svc\"\nrun.args = [\"--fd\", \"3\"]\nrestart = { max_retries = 3 }\n\n", i)
	}
	return &source.File{Name: "bench.toml", Text: []byte(b.String())}
}

// BenchmarkTOML is the floor: what the decoder alone needs for the file of
// BenchmarkFile.
func BenchmarkTOML(b *testing.B) {
	f := ordinary(500)
	b.SetBytes(int64(len(f.Text)))
	for b.Loop() {
		if _, bad := decodeTOML(string(f.Text)); bad != nil {
			b.Fatal(bad)
		}
	}
}

func BenchmarkFile(b *testing.B) {
	f := ordinary(500)
	b.SetBytes(int64(len(f.Text)))
	for b.Loop() {
		if _, diags := File(f, "bench"); diags.Errors() > 0 {
			b.Fatal(diags.All()[0])
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	text := string(ordinary(500).Text)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, bad := split(text); bad != nil {
			b.Fatal(bad)
		}
	}
}

// BenchmarkLocate finds one value in each of a thousand units.
func BenchmarkLocate(b *testing.B) {
	f := ordinary(500)
	for b.Loop() {
		var x Index
		for i := range 500 {
			x.Locate(source.UnitPlace(f, "socket", i).At("listen"))
			x.Locate(source.UnitPlace(f, "service", i).At("restart"))
		}
	}
}
