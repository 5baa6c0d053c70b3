using System.Text.RegularExpressions;
using DistOpt.Actors.Tests.Support;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Tests.Support;
using Microsoft.Extensions.Logging.Abstractions;

namespace DistOpt.Hosting.Tests.Cluster;

public sealed class AkkaOverlayTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("distopt-akka-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<string> Files() => [.. Directory.GetFiles(Folder(), "*.conf").Select(f => Path.GetFileName(f)!).Order()];

    [Theory]
    [MemberData(nameof(Files))]
    public async Task A_node_runs_with_every_setting_of_the_files_that_come_with_it(string file)
    {
        string path = Path.Combine(Folder(), file);
        var violations = new List<SpecViolation>();
        var settings = AkkaOverlay.Leaves(AkkaOverlay.Load(path, violations)).ToDictionary(l => l.Key, l => l.Value.GetString());
        Assert.Empty(violations);
        Assert.NotEmpty(settings);

        await using var node = await Start(path);

        var used = node.System.Settings.Config;
        Assert.All(settings, s => Assert.Equal(s.Value, used.GetString(s.Key)));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_setting_of_the_files_says_its_unit_and_its_reason(string file)
    {
        string[] lines = [.. File.ReadAllLines(Path.Combine(Folder(), file)).Select(l => l.Trim())];
        int settings = 0;
        for (int i = 0; i < lines.Length; i++)
        {
            if (!lines[i].Contains('=') || lines[i].StartsWith('#')) continue;
            settings++;
            int first = i;
            while (first > 0 && lines[first - 1].StartsWith('#')) first--;
            Assert.True(first < i, $"{file}: '{lines[i]}' has no comment");
            var unit = Regex.Match(lines[first], @"^# \[(seconds|milliseconds|on/off|name|phi)\] \S.{20,}");
            Assert.True(unit.Success, $"{file}: '{lines[i]}' does not begin its comment with [unit] and a reason");
            string value = lines[i].Split('=', 2)[1].Trim();
            string expected = unit.Groups[1].Value switch
            {
                "seconds" => @"^\d+ ?(s|m|h)$",
                "milliseconds" => @"^\d+ ?ms$",
                "on/off" => "^(on|off)$",
                "phi" => @"^\d+(\.\d+)?$",
                _ => "^[a-z][a-z-]*$",
            };
            Assert.Matches(expected, value);
        }
        Assert.True(settings > 0);
    }

    [Fact]
    public void The_file_to_start_from_holds_what_is_built_in()
    {
        var builtIn = NodeConfiguration.Hocon(new NodeOptions()).WithFallback(AkkaOverlay.Reference);
        foreach (var (key, value) in AkkaOverlay.Leaves(AkkaOverlay.Load(Path.Combine(Folder(), "local.conf"), [])))
            Assert.Equal((key, builtIn.GetString(key).Replace(" ", "")), (key, value.GetString().Replace(" ", "")));
    }

    [Fact]
    public void What_Akka_would_ignore_or_the_node_decides_is_refused_and_all_of_it_at_once()
    {
        var violations = Load("""
            akka.cluster.failure-detektor.threshold = 12
            akka.cluster.failure-detector.threshold = much
            akka.cluster.gossip-interval = 3 parsecs
            akka.cluster.split-brain-resolver.down-all-when-unstable = perhaps
            akka.remote.dot-netty.tcp.port = 4711
            akka.cluster.roles = [worker]
            akka.actor.provider = local
            threshold = 12
            """);

        Assert.All(violations, v => Assert.Equal("akka", v.Path));
        Assert.Equal(8, violations.Count);
        Assert.Contains(violations, v => v.Message.Contains("akka.cluster.failure-detektor.threshold is no setting of Akka"));
        Assert.Contains(violations, v => v.Message.Contains("failure-detector.threshold is 'much', but must be a number"));
        Assert.Contains(violations, v => v.Message.Contains("gossip-interval is '3 parsecs', but must be a duration"));
        Assert.Contains(violations, v => v.Message.Contains("down-all-when-unstable is 'perhaps', but must be on or off"));
        Assert.Contains(violations, v => v.Message.Contains("dot-netty.tcp.port is not to be set in a file"));
        Assert.Contains(violations, v => v.Message.Contains("akka.cluster.roles is not to be set in a file: use the node's setting roles"));
    }

    [Theory]
    [InlineData("akka { a = 1 }, b = 2", "is not HOCON as Akka.NET reads it")]
    [InlineData("include \"other\"", "is not HOCON as Akka.NET reads it")]
    [InlineData("akka.cluster.gossip-interval = ${?HOME}", "has a substitution")]
    public void What_is_no_HOCON_or_would_harm_the_parser_is_refused(string text, string expected) =>
        Assert.Contains(expected, Assert.Single(Load(text)).Message);

    [Theory]
    [InlineData("# a comment may have ${x}")]
    [InlineData("")]
    public void A_file_without_settings_changes_nothing(string text) => Assert.Empty(Load(text));

    [Fact]
    public async Task A_file_that_is_not_there_is_bad_input()
    {
        var error = await Assert.ThrowsAsync<SpecException>(() => Start(Path.Combine(_folder, "none.conf")));
        Assert.Contains("none.conf: cannot be read", Assert.Single(error.Violations).Message);
    }

    [Theory]
    [InlineData(SplitBrain.KeepOldest, "keep-oldest")]
    [InlineData(SplitBrain.KeepMajority, "keep-majority")]
    public void The_strategy_is_a_setting_of_the_node(SplitBrain setting, string strategy)
    {
        var config = NodeConfiguration.Hocon(new NodeOptions { SplitBrain = setting });
        Assert.Equal(strategy, config.GetString("akka.cluster.split-brain-resolver.active-strategy"));
        Assert.Equal("coordinator", config.GetString($"akka.cluster.split-brain-resolver.{strategy}.role"));
    }

    /// <summary>What the settings come to at a node that runs.</summary>
    [Theory]
    [InlineData(SplitBrain.KeepOldest, "DistOpt.Hosting.Cluster.CoordinatorDowning")]
    [InlineData(SplitBrain.KeepMajority, "Akka.Cluster.SBR.SplitBrainResolverProvider")]
    public async Task A_node_runs_with_the_downing_of_its_strategy(SplitBrain setting, string provider)
    {
        await using var node = await ClusterNode.StartAsync(
            new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal, SplitBrain = setting },
            LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);

        var downing = Akka.Cluster.Cluster.Get(node.System).DowningProvider;
        Assert.Equal(provider, downing.GetType().FullName);
        Assert.Equal(TimeSpan.FromSeconds(7), downing.DownRemovalMargin);
        // made by the provider from the strategy's own settings
        Assert.NotNull(downing.DowningActorProps);
    }

    private List<SpecViolation> Load(string text)
    {
        string path = Path.Combine(_folder, "test.conf");
        File.WriteAllText(path, text);
        var violations = new List<SpecViolation>();
        AkkaOverlay.Load(path, violations);
        return violations;
    }

    private static Task<ClusterNode> Start(string akka) => ClusterNode.StartAsync(
        new NodeOptions { Port = 0, TensorPort = 0, ApiPort = 0, Journal = NodeOptions.NoJournal, Akka = akka },
        LinearParts.Of(new LinearRuntime()), NullLoggerFactory.Instance, TimeProvider.System, Token);

    private static string Folder()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        return Path.Combine(folder ?? throw new InvalidOperationException("the repository's root was not found above the tests"), "cluster-config", "akka");
    }
}
