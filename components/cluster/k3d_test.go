package cluster

import (
	"testing"

	"github.com/sebdah/goldie/v2"
	"github.com/stretchr/testify/require"

	"canary/internal/config"
)

func k3dCluster() config.Cluster {
	return config.Cluster{
		Provider: config.ProviderK3d,
		Name:     "canary",
		Agents:   3,
		K3sImage: "rancher/k3s:v1.36.1-k3s1",
		HTTPPort: 80,

		RegistryPort: 5000,
		ImageCache:   "https://registry-1.docker.io",
	}
}

func TestK3dConfig(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*config.Cluster){
		"k3d-default":     func(*config.Cluster) {},
		"k3d-no-agents":   func(c *config.Cluster) { c.Agents = 0; c.RegistryPort = 0; c.ImageCache = "" },
		"k3d-cache-alone": func(c *config.Cluster) { c.RegistryPort = 0 },
		"k3d-all-settings": func(c *config.Cluster) {
			c.Name = "other"
			c.Agents = 1
			c.HTTPPort = 8080
			c.HTTPSPort = 8443
			c.MetricsServer = true
			c.RegistryPort = 5001
			c.ImageCache = "http://mirror.example.com:5000"
			c.K3sImage = "registry.example.com:5000/k3s@sha256:" + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := k3dCluster()
			change(&c)
			got, err := k3dConfig(c, "dev")
			require.NoError(t, err)
			goldie.New(t).Assert(t, name, got)
		})
	}
}

func TestK3dConfigRefusesVariables(t *testing.T) {
	t.Parallel()
	c := k3dCluster()
	c.K3sImage = "rancher/k3s:$HOME"
	_, err := k3dConfig(c, "dev")
	require.ErrorContains(t, err, `k3sImage ("rancher/k3s:$HOME")`)
}

func TestSettingsNameEachChange(t *testing.T) {
	t.Parallel()
	before := settings(k3dCluster())
	for name, change := range map[string]func(*config.Cluster){
		"httpsPort":     func(c *config.Cluster) { c.HTTPSPort = 443 },
		"httpPort":      func(c *config.Cluster) { c.HTTPPort++ },
		"registryPort":  func(c *config.Cluster) { c.RegistryPort = 0 },
		"metricsServer": func(c *config.Cluster) { c.MetricsServer = true },
		"k3sImage":      func(c *config.Cluster) { c.K3sImage += "x" },
	} {
		c := k3dCluster()
		change(&c)
		require.NotEqual(t, before, settings(c), name)
		require.Contains(t, settings(c), name+"=")
	}
	c := k3dCluster()
	c.ImportImages = []string{"app:1"}
	c.Agents++
	require.Equal(t, before, settings(c), "a living cluster takes these on")
	c.ImageCache = ""
	require.Equal(t, before, settings(c), "a living cluster stays as it is, and is not refused")
}
