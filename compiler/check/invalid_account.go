package check

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/rind-sockets/rind/compiler/diag"
	"github.com/rind-sockets/rind/compiler/unit"
)

var _ = register(Rule{
	Code:     "K1304",
	Severity: diag.Error,
	Title:    "something that can be no user or group",
	Text: `A user or group is a name or a decimal id. Whether it exists is only known on the machine that runs
the plan. No name has a colon, a comma or a slash, which mean something in the files of accounts, nor a mark of
sudo or sshd in front, such as % for a group.`,
	Example: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
user = "www:data"
`,
	Right: `
[[service]]
name = "web"
run.exec = "/usr/bin/web"
user = "www-data"
`,
	Run: func(p *Pass) {
		check := func(what string, account unit.String) {
			if !account.Set() || validAccount(account.Value) {
				return
			}
			p.Report(diag.Diagnostic{
				Message: fmt.Sprintf("%q can be no %s", account.Value, what),
				At:      account.At,
				Help:    accountHelp(what, account.Value),
			})
		}
		for _, s := range p.Services {
			check("user", s.Unit.User)
			check("group", s.Unit.Group)
		}
		for _, q := range p.Permissions {
			for _, u := range q.Unit.Users.Items {
				check("user", u)
			}
			for _, g := range q.Unit.Groups.Items {
				check("group", g)
			}
			check("group", q.Unit.Group)
		}
	},
})

func accountHelp(what, account string) string {
	if name := strings.TrimLeft(account, "@%+"); name != account && validAccount(name) {
		return fmt.Sprintf("write the name of a %s without a sign: %q", what, name)
	}
	return "write a name, or a decimal id below 4294967295"
}

// validAccount accepts what an account can be called on any system, or an id: a name
// without what passwd(5) and paths give a meaning. It may have spaces, since directory
// services have "domain users".
func validAccount(s string) bool {
	if s == "" || len(s) > 255 || strings.ContainsAny(s[:1], "-@%+") || strings.TrimSpace(s) != s {
		return false
	}
	if strings.Trim(s, "0123456789") == "" {
		id, err := strconv.ParseUint(s, 10, 32)
		return err == nil && id != math.MaxUint32 // (uid_t) -1 means "no change"
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7F || strings.ContainsRune(":/,", r) })
}
