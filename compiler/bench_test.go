package compiler_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rind-sockets/rind/compiler"
)

// BenchmarkCompile compiles 10,000 units in 500 files.
func BenchmarkCompile(b *testing.B) {
	var inputs []compiler.Input
	for f := range 500 {
		var text strings.Builder
		for i := range 10 {
			n := f*10 + i
			fmt.Fprintf(&text, `[[socket]]
name = "sock%[1]d"
type = "tcp"
listen = "127.0.%[2]d.%[3]d:8081"
owner = "svc%[1]d"
lifecycle = "owned"
start-on = [{ state = "rind@net-configured", branch = "eth0" }]
trigger = [{ service = "svc%[1]d" }]
options = { backlog = 512 }

[[service]]
name = "svc%[1]d"
run.exec = "/usr/bin/svc"
run.args = ["--port", "%[1]d"]
restart = true
`, i, n>>8, n&255)
		}
		inputs = append(inputs, input(fmt.Sprintf("g%d", f), text.String()))
	}
	b.ReportAllocs()
	for b.Loop() {
		res := compiler.Compile(inputs, compiler.Options{})
		if res.Plan == nil || res.Units != 10_000 {
			b.Fatalf("%d units, reported %q", res.Units, problems(res))
		}
		if _, err := res.Plan.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}
