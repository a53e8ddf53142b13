package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"k8s.io/apimachinery/pkg/util/validation"
)

// rule is what one key allows: in words, and as a function that checks a value and stores it.
type rule struct {
	// allowed completes "allowed: ".
	allowed string
	// set stores a value or says why not: errNotAllowed where allowed says all there is to say, else an
	// error that completes "found VALUE, ".
	set func(*Config, string) error
}

var errNotAllowed = errors.New("not allowed")

const (
	maxNameLen        = validation.DNS1123LabelMaxLength - len("-canary")
	maxClusterNameLen = 32 // k3d's own limit: its containers are named after the cluster

	// defaultNamespace is in every cluster, so that the stack cannot make it and must not delete it.
	defaultNamespace = "default"

	// defaultRegistryPort is where registries usually listen.
	defaultRegistryPort = 5000

	// dockerHub is where the images of docker.io are.
	dockerHub = "https://registry-1.docker.io"

	// noImageCache is the value of imageCache that turns it off.
	noImageCache = "off"

	// defaultIstioNamespace is where the stack installs Istio.
	defaultIstioNamespace = "istio-system"

	// defaultGateway is the label that the stack's own ingress gateway has.
	defaultGateway = "ingressgateway"
)

func text(allowed string, field func(*Config) *string, ok func(string) bool) rule {
	return rule{allowed, func(c *Config, value string) error {
		if !ok(value) {
			return errNotAllowed
		}
		*field(c) = value
		return nil
	}}
}

func choice(field func(*Config) *string, values ...string) rule {
	return text(strings.Join(values, " or "), field, func(value string) bool {
		return slices.Contains(values, value)
	})
}

func wholeNumber(low, high int, field func(*Config) *int) rule {
	return rule{numberAllowed(low, high), func(c *Config, value string) error {
		number, err := parseNumber(value, low, high)
		*field(c) = number
		return err
	}}
}

func wholeSeconds(low, high int, field func(*Config) *time.Duration) rule {
	return rule{numberAllowed(low, high), func(c *Config, value string) error {
		number, err := parseNumber(value, low, high)
		*field(c) = time.Duration(number) * time.Second
		return err
	}}
}

func numberAllowed(low, high int) string {
	return fmt.Sprintf("a whole number from %d to %d", low, high)
}

func parseNumber(value string, low, high int) (int, error) {
	number, err := strconv.Atoi(value)
	// Written back it must be the same, or it had a sign or leading zeros.
	if err != nil || strconv.Itoa(number) != value || number < low || number > high {
		return 0, errNotAllowed
	}
	return number, nil
}

func trueOrFalse(field func(*Config) *bool) rule {
	return rule{"true or false", func(c *Config, value string) error {
		if value != "true" && value != "false" {
			return errNotAllowed
		}
		*field(c) = value == "true"
		return nil
	}}
}

// and adds to what a rule says is allowed; the parser checks the addition, since it concerns other keys.
func (r rule) and(more string) rule {
	r.allowed += more
	return r
}

const percentAllowed = "a percentage from 0 to 100 with at most two decimals, digits only"

func setCanaryWeight(c *Config, value string) error {
	weight, err := ParseWeight(value)
	c.CanaryWeight = weight
	return err
}

func setMirrorPercent(c *Config, value string) error {
	percent, err := ParseWeight(value)
	c.MirrorPercent = percent
	return err
}

var (
	headerForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}(=[!-~]{1,128})?$`)
	cookieNameForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// isHeaderMatch refuses the headers that proxies set or read themselves: all requests
// have some of them, and `canary requests` sends one.
func isHeaderMatch(value string) bool {
	name, _, _ := strings.Cut(value, "=")
	return headerForm.MatchString(value) && !slices.Contains([]string{"host", "cookie", "x-request-id", "x-canary-ask"}, name) &&
		!strings.HasPrefix(name, "x-forwarded-") && !strings.HasPrefix(name, "x-envoy-")
}

func isCookieName(value string) bool { return cookieNameForm.MatchString(value) }

// list takes a value apart that holds several, separated by commas or spaces.
func list(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || unicode.IsSpace(r) })
}

// setHosts stores the names that are hosts, also when others are none.
func setHosts(c *Config, value string) error {
	hosts := list(value)
	var bad, twice []string
	for _, host := range hosts {
		switch {
		case !isHost(host):
			bad = append(bad, host)
		case !slices.Contains(c.Hosts, host):
			c.Hosts = append(c.Hosts, host)
		case !slices.Contains(twice, host):
			twice = append(twice, host)
		}
	}
	if len(hosts) == 0 || len(hosts) == 1 && len(bad) == 1 {
		return errNotAllowed
	}
	var why []string
	if len(bad) > 0 {
		why = append(why, quoteAll(bad)+" cannot be used")
	}
	if len(twice) > 0 {
		why = append(why, quoteAll(twice)+" cannot be used twice")
	}
	if len(why) > 0 {
		return errors.New("of which " + strings.Join(why, ", and "))
	}
	return nil
}

func setImportImages(c *Config, value string) error {
	images := list(value)
	var bad []string
	for _, image := range images {
		// k3d finds an image by its tag only.
		if !isPinnedReference(image) || strings.Contains(image, "@") {
			bad = append(bad, image)
		}
	}
	if len(bad) > 0 {
		return fmt.Errorf("of which %s cannot be used", quoteAll(bad))
	}
	c.Cluster.ImportImages = images
	return nil
}

var registryURLForm = regexp.MustCompile(`^https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$`)

func setImageCache(c *Config, value string) error {
	switch {
	case value == noImageCache:
		c.Cluster.ImageCache = ""
	case registryURLForm.MatchString(value):
		c.Cluster.ImageCache = value
	default:
		return errNotAllowed
	}
	return nil
}

// charts are the keys of istioValues.
var charts = []string{"base", "istiod", "ingressgateway", "egressgateway"}

func setIstioValues(c *Config, value string) error {
	var values map[string]any
	if json.Unmarshal([]byte(value), &values) != nil || values == nil {
		return errNotAllowed
	}
	var bad []string
	for key, of := range values {
		if _, object := of.(map[string]any); !object || !slices.Contains(charts, key) {
			bad = append(bad, quote(key))
		}
	}
	if len(bad) > 0 {
		slices.Sort(bad)
		return fmt.Errorf("of which %s cannot be used", strings.Join(bad, ", "))
	}
	c.Istio.Values = values
	return nil
}

// isName is stricter than RFC 1123: a Service's name starts with a letter.
func isName(value string) bool {
	return len(value) <= maxNameLen && len(validation.IsDNS1035Label(value)) == 0
}

func isNamespace(value string) bool {
	return isNamespaceName(value) && !isReservedNamespace(value)
}

// isReservedNamespace names the namespaces that are no place for an app.
func isReservedNamespace(value string) bool {
	return value == "istio-system" || strings.HasPrefix(value, "kube-")
}

// isHost accepts what Istio does for a Gateway and a VirtualService, wildcards excepted: its labels are
// DNS labels and the last one is not a number, which also excludes IP addresses.
func isHost(value string) bool {
	labels := strings.Split(value, ".")
	if len(value) > validation.DNS1123SubdomainMaxLength || len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		if len(validation.IsDNS1123Label(label)) > 0 {
			return false
		}
	}
	_, err := strconv.Atoi(labels[len(labels)-1])
	return err != nil
}

func isClusterName(value string) bool {
	return len(value) <= maxClusterNameLen && len(validation.IsDNS1123Label(value)) == 0
}

// isLabelValue refuses the empty value, which Kubernetes allows: it would select nothing that was meant.
func isLabelValue(value string) bool {
	return value != "" && len(validation.IsValidLabelValue(value)) == 0
}

func isEmptyOrLabelValue(value string) bool { return len(validation.IsValidLabelValue(value)) == 0 }

func isSecretName(value string) bool { return len(validation.IsDNS1123Subdomain(value)) == 0 }

var readinessPathForm = regexp.MustCompile(`^/[!-~]*$`)

func isReadinessPath(value string) bool {
	_, err := url.ParseRequestURI(value)
	return err == nil && readinessPathForm.MatchString(value)
}

var versionForm = regexp.MustCompile(`^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)

func isVersion(value string) bool { return versionForm.MatchString(value) }

// olderThanSticky says whether a version of Istio is before the first one whose proxies
// can draw the subset by the user.
func olderThanSticky(version string) bool {
	const firstMajor, firstMinor = 1, 28
	parts := versionForm.FindStringSubmatch(version)
	major, _ := strconv.Atoi(parts[1])
	minor, _ := strconv.Atoi(parts[2])
	return major < firstMajor || major == firstMajor && minor < firstMinor
}

// isChartRepository refuses credentials and queries: the URL ends up in the state and in messages.
func isChartRepository(value string) bool {
	address, err := url.Parse(value)
	return err == nil && slices.Contains([]string{"http", "https", "oci"}, address.Scheme) &&
		address.Hostname() != "" && address.User == nil && !strings.ContainsAny(value, "?#") &&
		!strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

func isOneLine(value string) bool { return !strings.ContainsFunc(value, unicode.IsControl) }

func isAnything(string) bool { return true }

func isNamespaceName(value string) bool { return len(validation.IsDNS1123Label(value)) == 0 }
