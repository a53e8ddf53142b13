package config

// Key is one key of the stack's configuration, as its user sees it.
type Key struct {
	// Name is the key without the project's prefix.
	Name string
	// Default is what an absent key means; "" where the description says what that is.
	Default string
	// Description is one sentence with units and range.
	Description string
}

// Keys gives every key, in the order in which the documents list them.
func Keys() []Key {
	keys := make([]Key, len(declarations))
	for i, declared := range declarations {
		keys[i] = declared.Key
	}
	return keys
}

// Default is what a key means that is absent; there must be one of the name.
func Default(name string) string { return mustFind(name).Default }

// declaration is a key with its rule. Only a key with the default "" may be set to "".
type declaration struct {
	Key
	rule
	// example is a value that "pulumi config set" may be given; "" takes the default.
	example string
	// command replaces the whole "pulumi config set KEY EXAMPLE".
	command string
	// hidden is whether messages keep the value to themselves.
	hidden bool
}

// advice is a command that sets the key to a value that is allowed.
func (d declaration) advice() string {
	switch {
	case d.command != "":
		return d.command
	case d.example != "":
		return "pulumi config set " + d.Name + " " + d.example
	default:
		return "pulumi config set " + d.Name + " " + d.Default
	}
}
