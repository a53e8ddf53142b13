package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Parse checks the values of a stack's configuration, by key without the project's prefix, and fills in
// what was left out. Its error lists every problem on a line of its own, in the order of Keys: the key,
// the value found, what is allowed and what to do.
func Parse(values map[string]string) (*Config, error) {
	return parse(values, func(string) bool { return false })
}

// parse is Parse for values of which some, by key, are secrets that no message may show, and with problems
// that were found before.
func parse(values map[string]string, secret func(key string) bool, before ...problem) (*Config, error) {
	p := &parser{values: values, secret: secret, problems: before, failed: map[string]bool{}}
	p.readKeys()
	p.derive()
	p.checkTogether()
	p.refuseUnknown()
	if len(p.problems) > 0 {
		return nil, p.report()
	}
	return &p.config, nil
}

type parser struct {
	values   map[string]string
	secret   func(key string) bool
	config   Config
	problems []problem
	failed   map[string]bool // keys with a problem
}

type problem struct{ key, text string }

// readKeys checks every key by itself.
func (p *parser) readKeys() {
	for _, declared := range declarations {
		value, found := p.values[declared.Name]
		if !found {
			value = declared.Default
		}
		if value == "" && declared.Default == "" {
			continue
		}
		err := declared.set(&p.config, value)
		if found := podError(nil); errors.As(err, &found) {
			p.refuseFields(declared, found)
		} else if err != nil {
			why := ""
			if !errors.Is(err, errNotAllowed) && !p.isSecret(declared) {
				why = ", " + err.Error()
			}
			p.refuse(declared.Name, why, "")
		}
	}
}

// derive fills in the keys whose default depends on others.
func (p *parser) derive() {
	c := &p.config
	if c.Namespace == "" {
		c.Namespace = c.Name
		if p.good("namespace", "name") && isReservedNamespace(c.Namespace) {
			p.refuse("namespace", ", which means name's "+p.show(mustFind("name"), c.Name), "")
		}
	}
	if p.good("host") && len(c.Hosts) == 0 {
		c.Hosts = []string{c.Name + "." + c.Namespace + ".localhost"}
	}
	if c.CanaryImage == "" {
		c.CanaryImage = c.StableImage
	}
	if !c.TLS.On() {
		c.Cluster.HTTPSPort = 0
	}
	if c.Cluster.RegistrySet = p.values["registryPort"] != ""; !c.Cluster.RegistrySet {
		c.Cluster.RegistryPort = defaultRegistryPort
	}
	c.StableMaxReplicas = cmp.Or(c.StableMaxReplicas, c.StableReplicas)
	c.CanaryMaxReplicas = cmp.Or(c.CanaryMaxReplicas, c.CanaryReplicas)
	if c.Readiness.Protocol == "" {
		c.Readiness.Protocol = ReadinessHTTP
		if c.Protocol == ProtocolGRPC {
			c.Readiness.Protocol = ReadinessGRPC
		}
	}
	if c.Readiness.Port == 0 {
		c.Readiness.Port = c.ContainerPort
	}
	for _, key := range []string{"pod", "canaryPod"} {
		if p.values[key] != "" && p.secret(key) {
			p.refuse(key, ", and a secret does not stay one in a pod's spec", "pulumi config rm "+key+", and give secret values by env")
		}
	}
	if p.secret("env") {
		c.Env.hide()
	}
	if p.secret("canaryEnv") {
		c.CanaryEnv.hide()
	}
	c.CanaryEnv = c.CanaryEnv.over(c.Env)
	if c.Istio.Tag == "" {
		c.Istio.Tag = c.Istio.Version
	}
}

// checkTogether checks what one key allows another. A key that is wrong by itself says so only once.
func (p *parser) checkTogether() {
	c := &p.config
	if p.good("canaryWeight", "canaryReplicas") && c.CanaryReplicas == 0 && c.CanaryWeight > 0 {
		p.refuse("canaryReplicas", " with canaryWeight "+p.found(mustFind("canaryWeight")), "pulumi config set canaryReplicas 1")
	}
	if p.good("stableReplicas", "stableMaxReplicas") && c.StableMaxReplicas < c.StableReplicas {
		p.refuse("stableMaxReplicas", " with stableReplicas "+p.found(mustFind("stableReplicas")), "pulumi config rm stableMaxReplicas")
	}
	if p.good("canaryReplicas", "canaryMaxReplicas") && (c.CanaryMaxReplicas < c.CanaryReplicas || c.CanaryMaxReplicas > 0 && c.CanaryReplicas == 0) {
		p.refuse("canaryMaxReplicas", " with canaryReplicas "+p.found(mustFind("canaryReplicas")), "pulumi config rm canaryMaxReplicas")
	}
	if p.good("name", "namespace", "createNamespace") && c.CreateNamespace && c.Namespace == defaultNamespace {
		which := ""
		if p.values["namespace"] == "" {
			which = ", which means name's " + p.show(mustFind("name"), c.Name) + ","
		}
		p.refuse("namespace", which+" with createNamespace true", "pulumi config set createNamespace false")
	}
	p.checkHosts()
	p.checkTLS()
	if p.good("stickyCookie", "istioInstall", "istioVersion") && c.StickyCookie != "" && c.Istio.Install && olderThanSticky(c.Istio.Version) {
		p.refuse("stickyCookie", " with istioVersion "+p.found(mustFind("istioVersion")), "pulumi config rm stickyCookie")
	}
	if p.good("istioInstall", "istioNamespace") && c.Istio.Install && c.Istio.Namespace != defaultIstioNamespace {
		p.refuse("istioNamespace", " with istioInstall true", "pulumi config rm istioNamespace")
	}
	if p.good("istioInstall", "istioGateway") && c.Istio.Install && c.Istio.Gateway != defaultGateway {
		p.refuse("istioGateway", " with istioInstall true", "pulumi config rm istioGateway")
	}
	if !p.good("clusterProvider") {
		return
	}
	with := fmt.Sprintf(" with clusterProvider %q", c.Cluster.Provider)
	if c.Cluster.Provider == ProviderExisting {
		if c.Cluster.Kubeconfig == "" {
			p.refuse("kubeconfig", with, "")
		}
		if p.good("importImages") && len(c.Cluster.ImportImages) > 0 {
			p.refuse("importImages", with, "pulumi config rm importImages")
		}
		if p.good("registryPort") && c.Cluster.RegistrySet && c.Cluster.RegistryPort != 0 {
			p.refuse("registryPort", with, "pulumi config rm registryPort")
		}
		c.Cluster.RegistryPort = 0
		c.Cluster.ImageCache = ""
		return
	}
	if c.Cluster.Kubeconfig != "" {
		p.refuse("kubeconfig", with, "pulumi config rm kubeconfig")
	}
	if p.good("context") && c.Cluster.Context != "" {
		p.refuse("context", with, "pulumi config rm context")
	}
	if p.good("istioInstall") && !c.Istio.Install {
		p.refuse("istioInstall", with, "")
	}
	p.checkPorts()
}

// checkPorts refuses a port of this machine that is asked for twice. A registry by default asks for none: a cluster from
// before there was the key has no registry.
func (p *parser) checkPorts() {
	c := &p.config.Cluster
	if p.good("httpPort", "httpsPort") && c.HTTPSPort == c.HTTPPort {
		if p.values["httpsPort"] == "" {
			p.refuse("httpPort", ", which is httpsPort's", "")
		} else {
			p.refuse("httpsPort", ", which is httpPort's", "")
		}
	}
	if !p.good("httpPort", "httpsPort", "registryPort") || !c.RegistrySet || c.RegistryPort == 0 {
		return
	}
	switch c.RegistryPort {
	case c.HTTPPort:
		p.refuse("registryPort", ", which is httpPort's", "")
	case c.HTTPSPort:
		p.refuse("registryPort", ", which is httpsPort's", "")
	}
}

// checkHosts looks at the hosts that are names, also when others are none.
func (p *parser) checkHosts() {
	c := &p.config
	if !p.good("name", "namespace") {
		return
	}
	own := slices.DeleteFunc(slices.Clone(c.Hosts), func(host string) bool { return !slices.Contains(serviceHosts(c), host) })
	switch {
	case len(own) == 0:
	case own[0] == p.values["host"]:
		p.refuse("host", ", which is the Service's own name", "pulumi config rm host")
	default:
		p.refuse("host", ", of which "+p.showAll(mustFind("host"), own)+" cannot be used, as the Service's own name", "")
	}
}

// serviceHosts are the names by which the mesh already knows the app.
func serviceHosts(c *Config) []string {
	name := c.Name + "." + c.Namespace
	return []string{name, name + ".svc", name + ".svc.cluster.local"}
}

func (p *parser) refuseUnknown() {
	var unknown []string
	for name := range p.values {
		if position(name) == len(declarations) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		// The value stays out of the message: it may be a secret under a misspelt name.
		shown := strings.Trim(quote(name), `"`)
		p.add(name, fmt.Sprintf("%s: no such key; nearest: %s; run: pulumi config rm %s", shown, nearest(name), shown))
	}
}

func (p *parser) good(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return p.failed[key] })
}
