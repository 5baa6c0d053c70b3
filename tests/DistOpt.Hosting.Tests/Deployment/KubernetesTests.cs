using DistOpt.Hosting.Api;
using DistOpt.Hosting.Cluster;
using YamlDotNet.RepresentationModel;

namespace DistOpt.Hosting.Tests.Deployment;

/// <summary>What can be known of the manifests without a cluster.</summary>
public sealed class KubernetesTests
{
    private static readonly string[] s_folder = ["cluster-config", "kubernetes"];
    private static readonly YamlMappingNode s_kustomization = Assert.Single(YamlFile.Read([.. s_folder, "kustomization.yaml"]));
    private static readonly YamlMappingNode[] s_all = [.. s_kustomization.List("resources").SelectMany(r => YamlFile.Read([.. s_folder, ((YamlScalarNode)r).Value!]))];

    public static TheoryData<string> Roles() => ["coordinator", "server", "worker"];

    [Fact]
    public void Every_file_is_a_resource_and_every_resource_has_a_kind_and_a_name_of_its_own()
    {
        var files = Directory.GetFiles(Path.Combine([YamlFile.Root, .. s_folder]), "*.yaml").Select(f => Path.GetFileName(f)!).Where(f => f != "kustomization.yaml");
        Assert.Equal(files.Order(), s_kustomization.List("resources").Select(r => ((YamlScalarNode)r).Value!).Order());
        var names = s_all.Select(r => $"{r.Text("apiVersion")} {r.Text("kind")} {r.Text("metadata/name")}").ToList();
        Assert.Equal(names.Distinct(), names);
        Assert.Equal(["distopt-coordinator", "distopt-server", "distopt-worker"], Of("StatefulSet").Select(s => s.Text("metadata/name")).Order());
        Assert.Equal(s_kustomization.Text("namespace"), Assert.Single(Of("Namespace")).Text("metadata/name"));
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_pod_s_settings_are_valid_ones_of_a_node_of_its_role(string role)
    {
        var options = Options(role, token: new string('t', 32), secret: new string('s', 32));
        Assert.Empty(options.Validate());
        Assert.Equal([role], options.Roles);
        Assert.True(options.UsesTls);
        Assert.Equal(LogFormat.Json, options.LogFormat);
        // the name that others use resolves to the pod by the role's headless service
        Assert.Equal($"distopt-{role}-0.distopt-{role}.{s_kustomization.Text("namespace")}.svc", options.AdvertisedHost);
        Assert.All(options.Join, seed => Assert.Equal($"{Options("coordinator", "", "").AdvertisedHost}:{options.Port}", seed));
    }

    [Fact]
    public void The_secret_as_it_comes_starts_no_node()
    {
        var secret = Assert.Single(Of("Secret"));
        var options = Options("worker", secret.Text("stringData/token"), secret.Text("stringData/secret"));
        Assert.Contains(options.Validate(), v => v.Path == "token");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Probes_ask_routes_that_exist_in_time(string role)
    {
        var (container, options) = (Container(role), Options(role, "", ""));
        foreach (var (probe, path) in new[] { ("startupProbe", HealthEndpoints.Health), ("livenessProbe", HealthEndpoints.Health), ("readinessProbe", HealthEndpoints.Ready) })
        {
            Assert.Equal(path, container.Text($"{probe}/httpGet/path"));
            Assert.Equal("api", container.Text($"{probe}/httpGet/port"));
            Assert.Equal(options.UsesTls ? "HTTPS" : "HTTP", container.Text($"{probe}/httpGet/scheme"));
        }
        // the API listens once the node has joined
        Assert.True(int.Parse(container.Text("startupProbe/periodSeconds")) * int.Parse(container.Text("startupProbe/failureThreshold")) > options.JoinTimeout);
        // a coordinator that does not answer is found out by the node itself before the probe gives up
        Assert.True(int.Parse(container.Text("readinessProbe/timeoutSeconds")) > 2);
        var annotations = StatefulSet(role).Map("spec/template/metadata/annotations").ToDictionary(a => a.Key, a => a.Value.ToString());
        Assert.Equal((HealthEndpoints.Metrics, $"{options.ApiPort}", "https"),
            (annotations["prometheus.io/path"], annotations["prometheus.io/port"], annotations["prometheus.io/scheme"]));
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void Ports_are_those_of_a_node_in_container_services_and_network_policy(string role)
    {
        var usual = new NodeOptions();
        var options = Options(role, "", "");
        Assert.Equal((usual.Port, usual.TensorPort, usual.ApiPort), (options.Port, options.TensorPort, options.ApiPort));
        (string, string)[] expected = [("control", $"{usual.Port}"), ("tensors", $"{usual.TensorPort}"), ("api", $"{usual.ApiPort}")];
        Assert.Equal(expected, Container(role).List("ports").Select(p => (p.Text("name"), p.Text("containerPort"))));
        var service = Of("Service").Single(s => s.Text("metadata/name") == $"distopt-{role}");
        Assert.Equal(expected, service.List("spec/ports").Select(p => (p.Text("name"), p.Text("port"))));
        Assert.Equal(("None", "true"), (service.Text("spec/clusterIP"), service.Text("spec/publishNotReadyAddresses")));
        Assert.Equal(service.Text("metadata/name"), StatefulSet(role).Text("spec/serviceName"));
        var rules = Assert.Single(Of("NetworkPolicy")).List("spec/ingress").Select(r => string.Join(",", r.List("ports").Select(p => p.Text("port"))));
        Assert.Equal([$"{usual.Port},{usual.TensorPort}", $"{usual.ApiPort}"], rules);
    }

    [Fact]
    public void Services_and_sets_find_their_pods()
    {
        foreach (var set in Of("StatefulSet"))
            Assert.Equal(Labels(set, "spec/template/metadata/labels"), Labels(set, "spec/selector/matchLabels"));
        var pods = Of("StatefulSet").Select(s => Labels(s, "spec/template/metadata/labels")).ToList();
        foreach (var service in Of("Service"))
        {
            var found = pods.Where(p => Labels(service, "spec/selector").All(p.Contains)).ToList();
            string component = Assert.Single(found).Single(l => l.StartsWith("app.kubernetes.io/component=", StringComparison.Ordinal)).Split('=')[1];
            Assert.Contains(service.Text("metadata/name"), new[] { $"distopt-{component}", "distopt-api" });
        }
        Assert.All(pods, pod => Assert.Contains("app.kubernetes.io/name=distopt", pod));
    }

    [Fact]
    public void All_sets_share_the_strategy_that_their_number_of_coordinators_needs() => Assert.All(Of("StatefulSet"), set => Assert.Equal(
        NodeSettings.StrategyFor(int.Parse(StatefulSet("coordinator").Text("spec/replicas"))),
        Options(set.Text("metadata/name")["distopt-".Length..], "", "").SplitBrain));

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_pod_is_given_the_time_that_leaving_may_take(string role)
    {
        var longest = NodeSettings.LongestLeave(Assert.Single(Of("ConfigMap")).Text("data/akka.conf"));
        Assert.True(TimeSpan.FromSeconds(int.Parse(StatefulSet(role).Text("spec/template/spec/terminationGracePeriodSeconds"))) > longest, $"leaving may take {longest}");
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void A_pod_has_bounds_and_no_rights_that_a_node_does_not_need(string role)
    {
        var (pod, container) = (StatefulSet(role).Find("spec/template/spec")!, Container(role));
        Assert.Equal(("true", "1654"), (pod.Text("securityContext/runAsNonRoot"), pod.Text("securityContext/runAsUser")));
        Assert.Equal(("false", "true", "ALL"), (container.Text("securityContext/allowPrivilegeEscalation"),
            container.Text("securityContext/readOnlyRootFilesystem"), container.Text("securityContext/capabilities/drop/0")));
        // a service named distopt-x puts DISTOPT_X_PORT=tcp://... into every pod
        Assert.Equal("false", pod.Text("enableServiceLinks"));
        foreach (string kind in new[] { "requests", "limits" })
            Assert.Equal(["cpu", "memory"], container.Map($"resources/{kind}").Select(r => r.Key));
        if (Options(role, "", "").WorkerSlots is { } slots) Assert.Equal($"{slots}", container.Text("resources/limits/cpu"));
        else Assert.NotEqual("worker", role);
    }

    [Theory]
    [MemberData(nameof(Roles))]
    public void What_a_pod_mounts_exists_and_holds_what_the_settings_name(string role)
    {
        var (set, options) = (StatefulSet(role), Options(role, "", ""));
        var volumes = set.List("spec/template/spec/volumes").Select(v => v.Text("name"))
            .Concat(set.List("spec/volumeClaimTemplates").Select(v => v.Text("metadata/name"))).ToList();
        var mounts = Container(role).List("volumeMounts").ToDictionary(m => m.Text("mountPath"), m => m.Text("name"));
        Assert.Equal(volumes.Order(), mounts.Values.Order());
        Assert.Equal("work", mounts[options.DataRoot!]);
        Assert.All(new[] { options.Certificate, options.CertificateKey, options.Ca }, file => Assert.Equal("certificates", mounts[Path.GetDirectoryName(file)!]));
        // a folder of a config map holds a file for each of its keys
        Assert.Equal("config", mounts[Path.GetDirectoryName(options.Akka)!]);
        Assert.Contains(Path.GetFileName(options.Akka), Assert.Single(Of("ConfigMap")).Map("data").Select(d => d.Key));
        Assert.Equal("distopt", set.List("spec/template/spec/volumes").Single(v => v.Text("name") == "config").Text("configMap/name"));
        Assert.Equal(s_kustomization.Text("images/0/name"), Container(role).Text("image"));
    }

    [Fact]
    public void The_settings_of_Akka_are_ones_that_a_node_takes()
    {
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, Assert.Single(Of("ConfigMap")).Text("data/akka.conf"));
            var violations = new List<Core.Specs.SpecViolation>();
            AkkaOverlay.Load(path, violations);
            Assert.Empty(violations);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static IEnumerable<YamlMappingNode> Of(string kind) => s_all.Where(r => r.Text("kind") == kind);

    private static YamlMappingNode StatefulSet(string role) => Of("StatefulSet").Single(s => s.Text("metadata/name") == $"distopt-{role}");

    private static YamlNode Container(string role) => Assert.Single(StatefulSet(role).List("spec/template/spec/containers"));

    private static string[] Labels(YamlNode node, string path) => [.. node.Map(path).Select(l => $"{l.Key}={((YamlScalarNode)l.Value).Value}").Order(StringComparer.Ordinal)];

    private static NodeOptions Options(string role, string token, string secret)
    {
        var container = Container(role);
        Assert.Equal("node", Assert.Single(container.List("args")).ToString());
        var environment = new Dictionary<string, string>();
        foreach (var variable in container.List("env"))
        {
            string value = variable.Find("value") is YamlScalarNode literal ? literal.Value!
                : variable.Find("valueFrom/secretKeyRef") is { } reference
                    ? (reference.Text("name"), reference.Text("key")) switch
                    {
                        ("distopt", "token") => token,
                        ("distopt", "secret") => secret,
                        var other => throw new Xunit.Sdk.XunitException($"there is no secret {other}"),
                    }
                    : variable.Text("valueFrom/fieldRef/fieldPath") == "metadata.name" ? $"distopt-{role}-0" : throw new Xunit.Sdk.XunitException($"{variable}");
            // Kubernetes puts in what was defined above
            foreach (var (name, known) in environment) value = value.Replace($"$({name})", known, StringComparison.Ordinal);
            Assert.DoesNotContain("$(", value);
            environment.Add(variable.Text("name"), value);
        }
        Assert.Equal("/etc/distopt/node.yaml", environment["DISTOPT_CONFIG"]);
        return NodeSettings.Bind(Assert.Single(Of("ConfigMap")).Text("data/node.yaml"), environment);
    }
}
