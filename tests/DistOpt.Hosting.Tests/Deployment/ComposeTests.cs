using DistOpt.Hosting.Cluster;
using YamlDotNet.RepresentationModel;

namespace DistOpt.Hosting.Tests.Deployment;

/// <summary>What can be known of the compose file without Docker.</summary>
public sealed class ComposeTests
{
    private static readonly YamlMappingNode s_file = Assert.Single(YamlFile.Read("docker", "compose.yaml"));

    public static TheoryData<string> Services() => [.. s_file.Map("services").Select(s => s.Key)];

    [Fact]
    public void There_are_one_coordinator_two_servers_and_three_workers()
    {
        var roles = Services().Select(s => Assert.Single(Options(s).Roles)).CountBy(r => r).OrderBy(r => r.Key).Select(r => (r.Key, r.Value));
        Assert.Equal([("coordinator", 1), ("server", 2), ("worker", 3)], roles);
    }

    [Fact]
    public void All_services_share_the_strategy_that_their_number_of_coordinators_needs()
    {
        var all = Services().Select(s => Options(s)).ToList();
        Assert.Equal(NodeSettings.StrategyFor(all.Count(o => o.Roles.Contains("coordinator"))), Assert.Single(all.Select(o => o.SplitBrain).Distinct()));
    }

    [Theory]
    [MemberData(nameof(Services))]
    public void A_service_s_settings_are_valid_ones_of_a_node(string service)
    {
        var options = Options(service);
        Assert.Empty(options.Validate());
        // a container is reached by its service's name
        Assert.Equal(service, options.AdvertisedHost);
        Assert.True(options.UsesTls);
        var usual = new NodeOptions();
        Assert.Equal((usual.Port, usual.TensorPort, usual.ApiPort), (options.Port, options.TensorPort, options.ApiPort));
        if (options.Roles.Contains("coordinator")) Assert.Empty(options.Join);
        else Assert.Equal([$"coordinator:{usual.Port}"], options.Join);
    }

    [Theory]
    [MemberData(nameof(Services))]
    public void A_service_runs_the_image_as_a_node_that_may_take_its_time_to_leave(string service)
    {
        var node = Service(service);
        Assert.Equal("distopt", node.Text("image"));
        Assert.True(File.Exists(Path.Combine(YamlFile.Root, "docker", node.Text("build/context"), node.Text("build/dockerfile"))));
        Assert.Equal(["node"], node.List("command").Select(c => c.ToString()));
        string grace = node.Text("stop_grace_period");
        Assert.EndsWith("s", grace);
        Assert.True(TimeSpan.FromSeconds(int.Parse(grace[..^1])) > NodeSettings.LongestLeave(), $"leaving may take {NodeSettings.LongestLeave()}");
        Assert.Equal(("true", "ALL"), (node.Text("read_only"), node.Text("cap_drop/0")));
        if (service != "coordinator") Assert.Equal("service_healthy", node.Text("depends_on/coordinator/condition"));
    }

    [Theory]
    [MemberData(nameof(Services))]
    public void What_a_service_mounts_exists_and_holds_what_the_settings_name(string service)
    {
        var options = Options(service);
        var mounts = Service(service).List("volumes").Select(v => v.ToString().Split(':')).ToDictionary(v => v[1], v => v[0]);
        Assert.True(File.Exists(Path.Combine(YamlFile.Root, "docker", mounts["/etc/distopt/node.yaml"])));
        Assert.Contains(mounts[options.DataRoot!], s_file.Map("volumes").Select(v => v.Key));
        Assert.Equal($"./certificates/{service}", mounts["/certificates"]);
        Assert.All(new[] { options.Certificate, options.CertificateKey, options.Ca }, file => Assert.Equal("/certificates", Path.GetDirectoryName(file)));
    }

    [Fact]
    public void The_API_alone_is_published_and_to_this_machine_alone()
    {
        var published = s_file.Map("services").SelectMany(s => s.Value.List("ports").Select(p => (s.Key, p.ToString())));
        int api = new NodeOptions().ApiPort;
        Assert.Equal([("coordinator", $"127.0.0.1:{api}:{api}")], published);
    }

    private static YamlNode Service(string name) => s_file.Find($"services/{name}")!;

    private static NodeOptions Options(string service)
    {
        // ${NAME:?text} is what the environment must give; here it gives something long enough
        var environment = Service(service).Map("environment").ToDictionary(e => e.Key, e =>
            e.Value.ToString().StartsWith($"${{{e.Key}:?", StringComparison.Ordinal) ? new string('x', 32) : e.Value.ToString());
        Assert.Equal("/etc/distopt/node.yaml", environment["DISTOPT_CONFIG"]);
        return NodeSettings.Bind(File.ReadAllText(Path.Combine(YamlFile.Root, "docker", "node.yaml")), environment);
    }
}
