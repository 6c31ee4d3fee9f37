package unit

import "github.com/rind-sockets/rind/grammar"

var serviceFields = []Field{
	{
		Key: "name", Type: TypeString, Required: true, Check: grammar.CheckName, Number: decimal, Into: into(func(s *Service) *String { return &s.Name }),
		Doc: "the name, unique among the services of the group",
	},
	{
		Key: "run", Type: TypeRun, Required: true, NonEmpty: true, Into: into(func(s *Service) *[]Run { return &s.Run }),
		Doc: "the program, usually written `run.exec` and `run.args`",
	},
	{
		Key: "start-on", Type: TypeConditions, Into: into(func(s *Service) *Conditions { return &s.StartOn }),
		Doc: "start when all of these conditions match",
	},
	{
		Key: "stop-on", Type: TypeConditions, Into: into(func(s *Service) *Conditions { return &s.StopOn }),
		Doc: "stop when any of these conditions matches",
	},
	{
		Key: "on-start", Type: TypeTriggers, Into: into(func(s *Service) *Triggers { return &s.OnStart }),
		Doc: "run once the service is active",
	},
	{
		Key: "on-stop", Type: TypeTriggers, Into: into(func(s *Service) *Triggers { return &s.OnStop }),
		Doc: "run once the service is gone",
	},
	{
		Key: "restart", Type: TypeRestart, Default: "false", Into: into(func(s *Service) *Restart { return &s.Restart }),
		Doc: "`true`: always; `{ max_retries = N }`: after a failure, N times",
	},
	{
		Key: "env", Type: TypeEnv, Into: into(func(s *Service) *[]EnvVar { return &s.Env }),
		Doc: "environment variables of every process; those in `run.env` win",
	},
	{
		Key: "working-dir", Type: TypeString, Into: into(func(s *Service) *String { return &s.WorkingDir }),
		Doc: "the working directory",
	},
	{
		Key: "user", Type: TypeString, Number: decimal, Into: into(func(s *Service) *String { return &s.User }),
		Doc: "the user to run as, by name or id",
	},
	{
		Key: "group", Type: TypeString, Number: decimal, Into: into(func(s *Service) *String { return &s.Group }),
		Doc: "the group to run as, by name or id",
	},
	{
		Key: "after", Type: TypeList, Into: into(func(s *Service) *List { return &s.After }),
		Doc: "services that must be active first; the stop of one stops this one",
	},
	{
		Key: "umask", Type: TypeString, Check: checkUmask, Into: into(func(s *Service) *String { return &s.Umask }),
		Doc: "the file mode creation mask, octal, such as `0022`",
	},
	{
		Key: "env-file", Type: TypeString, Check: checkPath, Into: into(func(s *Service) *String { return &s.EnvFile }),
		Doc: "a file of `NAME=value` lines, read at every start; `env` wins",
	},
	{
		Key: "limits", Type: TypeTable, Inner: &ResourceLimitsTable, Into: within(func(s *Service) **ResourceLimits { return &s.Limits }),
		Doc: "resource limits of setrlimit(2)",
	},
	{
		Key: "no-new-privileges", Type: TypeBool, Default: "false", Into: into(func(s *Service) *Bool { return &s.NoNewPrivileges }),
		Doc: "no program that it runs gains privileges",
	},
	{
		Key: "capabilities", Type: TypeList, Values: Capabilities, Rights: true, Into: into(func(s *Service) *List { return &s.Capabilities }),
		Doc: "the only capabilities that it has; `[]`: none",
	},
	{
		Key: "space", Type: TypeChoice, Default: `"system"`, Values: []string{"system", "user"}, Inner: &SpaceTable, Into: within(func(s *Service) **Space { return &s.Space }),
		Doc: "whom it belongs to: the system, the user of `user-source`, or `{ user = \"name\" }`",
	},
	{
		Key: "user-source", Type: TypeTable, Inner: &UserSourceTable, Into: within(func(s *Service) **UserSource { return &s.UserSource }),
		Doc: "where the name of the user comes from",
	},
	{
		Key: "ready", Type: TypeString, Default: `"exec"`, Values: []string{"exec", "notify"}, Into: into(func(s *Service) *String { return &s.Ready }),
		Doc: "what makes it active: that it was executed, or that it says READY=1 by sd_notify(3)",
	},
	{
		Key: "stop", Type: TypeTable, Inner: &StopTable, Into: within(func(s *Service) **Stop { return &s.Stop }),
		Doc: "how it is stopped",
	},
	{
		Key: "watchdog", Type: TypeTable, Inner: &WatchdogTable, Into: within(func(s *Service) **Watchdog { return &s.Watchdog }),
		Doc: "what to do when it falls silent",
	},
	{
		Key: "singleton", Type: TypeBool, Default: "true", Into: into(func(s *Service) *Bool { return &s.Singleton }),
		Doc: "a start while it runs starts nothing",
	},
	{
		Key: "branching", Type: TypeTable, Inner: &BranchingTable, Into: within(func(s *Service) **Branching { return &s.Branching }),
		Doc: "one instance for each branch of a state",
	},
	{
		Key: "managed-by", Type: TypePermissions, Into: into(func(s *Service) *PermissionRefs { return &s.ManagedBy }),
		Doc: "who may start and stop the service over the control interface",
	},
	{
		Key: "stdout", Type: TypeChoice, Default: `"log"`, Values: outputs, Inner: &OutputTable, Into: within(func(s *Service) **Output { return &s.Stdout }),
		Doc: "where standard output goes",
	},
	{
		Key: "stderr", Type: TypeChoice, Default: `"log"`, Values: outputs, Inner: &OutputTable, Into: within(func(s *Service) **Output { return &s.Stderr }),
		Doc: "where standard error goes",
	},
}
