package plan

// Ids of the builtin permissions (SPEC §2.5). [AnyPermission] is the one that
// everybody holds.
const (
	SystemServices uint16 = 1000 // manages sockets and services
	Login          uint16 = 1001
	Run0           uint16 = 1002
	Network        uint16 = 1003
)

// BuiltinPermissions lists the permissions that exist without a definition, by
// name in the group rind.
var BuiltinPermissions = map[string]uint16{
	"any":             AnyPermission,
	"system-services": SystemServices,
	"login":           Login,
	"run0":            Run0,
	"network":         Network,
}

// builtinID reports whether id is that of a builtin permission.
func builtinID(id uint16) bool {
	for _, b := range BuiltinPermissions {
		if b == id {
			return true
		}
	}
	return false
}
