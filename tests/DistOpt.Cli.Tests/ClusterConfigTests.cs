using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;

namespace DistOpt.Cli.Tests;

public sealed class ClusterConfigTests
{
    public static TheoryData<string> Files() =>
        [.. Directory.GetFiles(Path.Combine(Root(), "cluster-config"), "*.yaml").Select(f => Path.GetFileName(f)!)];

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_file_holds_valid_settings_of_a_node(string file)
    {
        string path = Path.Combine(Root(), "cluster-config", file);

        var options = new SpecBinder(new SpecCatalogs()).Bind<NodeOptions>(File.ReadAllText(path), path);

        Assert.Empty(options.Validate());
        Assert.Contains(Path.GetFileNameWithoutExtension(file), options.Roles);
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the repository's root was not found above the tests");
    }
}
