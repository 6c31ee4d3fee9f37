package check

import (
	"fmt"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var _ = register(Rule{
	Code:     "K1303",
	Severity: diag.Warning,
	Title:    "two descriptors of one service with one name",
	Text: `A service tells its descriptors apart by their names in LISTEN_FDNAMES. With equal names it can only
go by their order.`,
	Example: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
lifecycle = "owned"
fd-name = "main"

[[socket]]
name = "admin"
type = "tcp"
listen = "127.0.0.1:8082"
owner = "web"
lifecycle = "owned"
fd-name = "main"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	Right: `
[[socket]]
name = "http"
type = "tcp"
listen = "127.0.0.1:8081"
owner = "web"
lifecycle = "owned"
fd-name = "main"

[[socket]]
name = "admin"
type = "tcp"
listen = "127.0.0.1:8082"
owner = "web"
lifecycle = "owned"
fd-name = "admin"

[[service]]
name = "web"
run.exec = "/usr/bin/web"
`,
	Run: func(p *Pass) {
		type key struct {
			owner plan.Name
			name  string
		}
		first := map[key]*Socket{}
		for _, s := range p.Sockets {
			if s.Owner == nil || s.Unit.Accept.Value { // each process has one connection
				continue
			}
			k := key{s.Owner.Name, s.FDName()}
			other, taken := first[k]
			if !taken {
				first[k] = s
				continue
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("service %q gets two descriptors named %q", s.Owner.Name, k.name),
				At:      s.fdNameAt().At,
				Help:    "give one of them another `fd-name`",
				Labels:  []diag.Label{{At: other.fdNameAt().At, Message: "the other one"}},
			})
		}
	},
})

// connectionName is what a connection is called that a process gets alone, as
// sd_listen_fds(3) has it for Accept=yes.
const connectionName = "connection"

// FDName returns the name of the descriptor: unless the unit says otherwise, that
// of the socket, or "connection" where the process gets one.
func (s *Socket) FDName() string {
	if s.Unit.Accept.Value && !s.Unit.FDName.Set() {
		return connectionName
	}
	return s.fdNameAt().Value
}

func (s *Socket) fdNameAt() unit.String {
	if s.Unit.FDName.Set() {
		return s.Unit.FDName
	}
	return s.Unit.Name
}
