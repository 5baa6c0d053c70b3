using System.Globalization;
using System.Text.RegularExpressions;

namespace DistOpt.Hosting.Tests.Support;

/// <summary>One line of <c>/metrics</c>.</summary>
internal sealed record Sample(string Name, IReadOnlyDictionary<string, string> Labels, double Value);

/// <summary>Prometheus' text format, read strictly: a line that is neither a comment nor a sample fails the test.</summary>
internal sealed partial class PrometheusText
{
    private readonly List<Sample> _samples = [];

    public PrometheusText(string text)
    {
        var types = new HashSet<string>(StringComparer.Ordinal);
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal)) Assert.True(types.Add(line.Split(' ')[2]), $"two families in one: {line}");
            if (line[0] == '#') continue;
            var match = Line().Match(line);
            Assert.True(match.Success, $"no sample: {line}");
            var labels = Label().Matches(match.Groups["labels"].Value).ToDictionary(m => m.Groups[1].Value, m => m.Groups[2].Value);
            _samples.Add(new Sample(match.Groups["name"].Value, labels, double.Parse(match.Groups["value"].Value, CultureInfo.InvariantCulture)));
        }
        Types = types;
    }

    public IReadOnlySet<string> Types { get; }

    public IReadOnlyList<Sample> All => _samples;

    /// <summary>The only sample of that name with these labels, among others that it may have.</summary>
    public double Value(string name, params (string Key, string Value)[] labels)
    {
        var found = _samples.Where(s => s.Name == name && labels.All(l => s.Labels.TryGetValue(l.Key, out string? value) && value == l.Value)).ToList();
        Assert.True(found.Count == 1, $"{found.Count} samples of {name} with {string.Join(", ", labels)}; there are:\n{string.Join("\n", _samples.Select(s => s.Name).Distinct())}");
        return found[0].Value;
    }

    public static async Task<PrometheusText> ScrapeAsync(HttpClient http, int port, CancellationToken cancellationToken) =>
        new(await http.GetStringAsync($"http://127.0.0.1:{port}/metrics", cancellationToken));

    [GeneratedRegex(@"^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?<labels>([a-zA-Z_][a-zA-Z0-9_]*=""([^""\\]|\\.)*"",?)*)\})? (?<value>\S+)( \d+)?$")]
    private static partial Regex Line();

    [GeneratedRegex(@"([a-zA-Z_][a-zA-Z0-9_]*)=""((?:[^""\\]|\\.)*)""")]
    private static partial Regex Label();
}
