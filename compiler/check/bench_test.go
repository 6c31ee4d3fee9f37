package check_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler/check"
	"github.com/rind-sockets/rind/compiler/decode"
	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/resolve"
	"github.com/rind-sockets/rind/compiler/source"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plugins"
)

// decoded decodes n units, eight at a time from make.
func decoded(b *testing.B, n int, eight func(i int) string) []*unit.File {
	b.Helper()
	var files []*unit.File
	for i := range n / 8 {
		group := fmt.Sprintf("g%d", i)
		f, ds := decode.File(&source.File{Name: group + ".toml", Text: []byte(eight(i))}, group)
		if len(ds.All()) > 0 {
			b.Fatalf("%+v", ds.All()[0])
		}
		files = append(files, f)
	}
	return files
}

// BenchmarkCheck checks sockets and services with conditions and hooks, of which
// neighbours share a port and exclude each other.
func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			files := decoded(b, n, func(i int) string {
				var text strings.Builder
				fmt.Fprintf(&text, "[[state]]\nname = \"mode\"\npayload = \"string\"\n[[signal]]\nname = \"note\"\npayload = \"string\"\n")
				for j, mode := range []string{"blue", "green", "gray"} {
					others := strings.ReplaceAll(`["blue", "green", "gray"]`, `"`+mode+`"`, `"off"`)
					fmt.Fprintf(&text, `[[socket]]
name = "s%[1]s"
type = "tcp"
listen = "127.%[2]d.%[3]d.%[4]d:80"
owner = "v%[1]s"
lifecycle = "owned"
start-on = [{ state = "mode", target = "%[1]s" }, { state = "rind@net-configured", branch = "eth%[2]d" }]
stop-on = ['mode(target in %[5]s)', 'rind@net-configured']
on-start = [{ signal = "note", payload = "%[1]s" }]
[[service]]
name = "v%[1]s"
run.exec = "/usr/bin/site"
start-on = ["rind@online", { signal = "note", target = "%[1]s" }]
stop-on = ["rind@maintenance-mode"]
on-stop = [{ state = "mode", payload = "%[1]s" }]
`, mode, j, i>>8, i&255, others)
				}
				return text.String()
			})
			b.ReportAllocs()
			for b.Loop() {
				ds := &diag.List{}
				check.Check(resolve.New(files, nil, ds), plugins.Builtin(), check.Options{}, ds)
				if all := ds.All(); len(all) > 0 {
					b.Fatalf("%s %s", all[0].Code, all[0].Message)
				}
			}
		})
	}
}
