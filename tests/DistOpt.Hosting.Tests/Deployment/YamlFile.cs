using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace DistOpt.Hosting.Tests.Deployment;

/// <summary>A YAML file of the repository, for looking at it by paths such as <c>spec/containers/0/image</c>.</summary>
internal static class YamlFile
{
    public static string Root { get; } = FindRoot();

    /// <summary>Every document of a file, with merge keys (<c>&lt;&lt;</c>) resolved.</summary>
    public static IReadOnlyList<YamlMappingNode> Read(params string[] path) => Parse(File.ReadAllText(Path.Combine([Root, .. path])));

    public static IReadOnlyList<YamlMappingNode> Parse(string text)
    {
        var stream = new YamlStream();
        stream.Load(new MergingParser(new Parser(new StringReader(text))));
        return [.. stream.Documents.Select(d => (YamlMappingNode)d.RootNode)];
    }

    public static YamlNode? Find(this YamlNode node, string path)
    {
        YamlNode? at = node;
        foreach (string part in path.Split('/'))
        {
            at = at switch
            {
                YamlMappingNode map => map.Children.TryGetValue(new YamlScalarNode(part), out var child) ? child : null,
                YamlSequenceNode list when int.TryParse(part, out int index) && index < list.Children.Count => list.Children[index],
                _ => null,
            };
        }
        return at;
    }

    public static string Text(this YamlNode node, string path) =>
        (node.Find(path) as YamlScalarNode)?.Value ?? throw new Xunit.Sdk.XunitException($"there is no {path} in {node}");

    public static IEnumerable<YamlNode> List(this YamlNode node, string path) => (node.Find(path) as YamlSequenceNode)?.Children ?? [];

    public static IEnumerable<(string Key, YamlNode Value)> Map(this YamlNode node, string path) =>
        ((path.Length == 0 ? node : node.Find(path)) as YamlMappingNode)?.Children.Select(c => (((YamlScalarNode)c.Key).Value!, c.Value)) ?? [];

    private static string FindRoot()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "DistOpt.sln"))) folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the repository's root was not found above the tests");
    }
}
