package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// publishedName is the project's name in its repository. "pulumi new" and an edit of Pulumi.yaml change it, and leave
// the stacks' files as they are.
const publishedName = "canary"

var (
	// tellingForm is a key that no provider has. The prefix in front of host or namespace may be a provider's.
	tellingForm = regexp.MustCompile(`^(?:canary|stable)[A-Z]`)
	projectForm = regexp.MustCompile(`^[A-Za-z0-9_.-]+$`)
)

// ofOtherProjects finds keys that are declared here and stand under the prefix of another project, where nothing reads
// them. all is the stack's whole configuration, by full key. There is one problem for each prefix.
func ofOtherProjects(all map[string]string, project, stack string) []problem {
	found := map[string][]string{}
	for key := range all {
		prefix, name, _ := strings.Cut(key, ":")
		if prefix != project && projectForm.MatchString(prefix) && position(name) < len(declarations) {
			found[prefix] = append(found[prefix], name)
		}
	}
	var problems []problem
	for _, prefix := range slices.Sorted(maps.Keys(found)) {
		names := found[prefix]
		if prefix != publishedName && !slices.ContainsFunc(names, tellingForm.MatchString) {
			continue
		}
		slices.Sort(names)
		keys := joinKeys(prefix, names, ", ")
		problems = append(problems, problem{keys, fmt.Sprintf(
			"%s: %s project %q, and this project is %q; allowed: keys without a prefix or with %s: in front; run: %s",
			keys, belong(names), prefix, project, project, moveCommand(all, prefix, names, project, stack))})
	}
	return problems
}

func belong(names []string) string {
	if len(names) == 1 {
		return "belongs to"
	}
	return "belong to"
}

// moveCommand gives keys to this project, except those of which it has its own value: two of one key would leave a
// file that Pulumi does not read.
func moveCommand(all map[string]string, prefix string, names []string, project, stack string) string {
	own := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		value, found := all[project+":"+name]
		return !found || value == mustFind(name).Default // Pulumi.yaml gives the defaults
	})
	remove := "pulumi config rm-all " + joinKeys(prefix, own, " ")
	// With -i.bak, sed is the same on Linux and macOS. A name with a blank behind it is a key inside of an object.
	move := fmt.Sprintf(`sed -i.bak 's/^\( *\)%s:\([^ ]\)/\1%s:\2/' Pulumi.%s.yaml`, strings.ReplaceAll(prefix, ".", `\.`), project, stack)
	switch len(own) {
	case 0:
		return move
	case len(names):
		return remove
	default:
		return remove + " && " + move
	}
}

func joinKeys(prefix string, names []string, separator string) string {
	return prefix + ":" + strings.Join(names, separator+prefix+":")
}
