using System.Globalization;
using System.Text.RegularExpressions;
using Akka.Configuration;
using Akka.Configuration.Hocon;
using DistOpt.Core.Specs;

namespace DistOpt.Hosting.Cluster;

/// <summary>
/// A file of Akka's own settings (HOCON), laid over those that a node has built in. Akka ignores a key that it does not know, so every key
/// is checked: it must exist, have a value of its kind, and not be one that the node's settings or its code decide.
/// </summary>
internal static partial class AkkaOverlay
{
    /// <summary>What is not to be set in a file, and what to do instead.</summary>
    private static readonly (string Key, string Instead)[] s_owned =
    [
        ("akka.remote.dot-netty", "the transport is the node's own; use its settings bind, advertise, port, certificate"),
        ("akka.remote.distopt", "the transport is the node's own; use its settings bind, advertise, port, certificate"),
        ("akka.remote.untrusted-mode", "what others may reach is the node's own"),
        ("akka.remote.trusted-selection-paths", "what others may reach is the node's own"),
        ("akka.remote.enabled-transports", "the transport is the node's own"),
        ("akka.cluster.roles", "use the node's setting roles"),
        ("akka.cluster.app-version", "it is the version of the node's protocol"),
        ("akka.cluster.seed-nodes", "use the node's setting join"),
        ("akka.cluster.downing-provider-class", "use the node's setting split_brain"),
        ("akka.cluster.singleton", "the node places the job coordinator by itself"),
        ("akka.persistence", "use the node's setting journal"),
        ("akka.actor.provider", "a node is always a member of a cluster"),
        ("akka.actor.serializers", "messages have one serializer, the node's own"),
        ("akka.actor.serialization-bindings", "messages have one serializer, the node's own"),
        ("akka.actor.serialization-identifiers", "messages have one serializer, the node's own"),
        ("akka.actor.serialization-settings", "messages have one serializer, the node's own"),
        ("akka.loggers", "the node passes Akka's events to its own log"),
        ("akka.stdout-loglevel", "the node passes Akka's events to its own log"),
        ("akka.extensions", "the node loads what it needs"),
        ("akka.coordinated-shutdown.exit-clr", "the node ends the process by itself, with its exit code"),
        ("akka.coordinated-shutdown.run-by-clr-shutdown-hook", "the node ends the process by itself, with its exit code"),
        ("akka.coordinated-shutdown.run-by-actor-system-terminate", "the node ends the process by itself, with its exit code"),
    ];

    /// <summary>Tables whose keys are the user's.</summary>
    private static readonly string[] s_open = ["akka.actor.deployment", "akka.cluster.role"];

    /// <summary>Akka's own defaults, of every module that a node uses.</summary>
    public static Config Reference { get; } = ConfigurationFactory.FromResource("Akka.Cluster.Configuration.Cluster.conf", typeof(Akka.Cluster.Cluster).Assembly)
        .WithFallback(ConfigurationFactory.FromResource("Akka.Remote.Configuration.Remote.conf", typeof(Akka.Remote.RemoteSettings).Assembly))
        .WithFallback(ConfigurationFactory.Default());

    /// <summary>Reads a file and adds everything that is wrong with it to <paramref name="violations"/>.</summary>
    /// <returns>The file's settings; empty where something is wrong.</returns>
    public static Config Load(string path, List<SpecViolation> violations)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Wrong($"cannot be read: {e.Message}");
            return ConfigurationFactory.Empty;
        }
        if (text.Split('\n').FirstOrDefault(line => Uncommented().Match(line).Value.Contains("${", StringComparison.Ordinal)) is { } line)
        {
            // Akka.NET's parser makes an endless tree of a substitution that it cannot resolve
            Wrong($"has a substitution (${{...}}) in '{line.Trim()}': write the value");
            return ConfigurationFactory.Empty;
        }
        Config config;
        try
        {
            config = ConfigurationFactory.ParseString(text);
        }
        catch (Exception e) when (e is FormatException or NullReferenceException or ConfigurationException)
        {
            Wrong($"is not HOCON as Akka.NET reads it ({string.Join(' ', e.Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))}): "
                + "one setting a line, no comma after a brace, no include");
            return ConfigurationFactory.Empty;
        }
        var known = NodeConfiguration.Hocon(new NodeOptions()).WithFallback(Reference);
        var leaves = Leaves(config).ToList();
        int before = violations.Count;
        foreach (var (key, value) in leaves)
        {
            if (Problem(key, value, known) is { } problem) Wrong($"{key} {problem}");
        }
        return violations.Count == before ? config : ConfigurationFactory.Empty;

        void Wrong(string what) => violations.Add(new SpecViolation("akka", $"{path}: {what}"));
    }

    /// <summary>Every key of a configuration that holds a value and not a table, in full.</summary>
    public static IEnumerable<(string Key, HoconValue Value)> Leaves(Config config) => Leaves(config.Root, "");

    private static IEnumerable<(string Key, HoconValue Value)> Leaves(HoconValue value, string path)
    {
        if (!value.IsObject())
        {
            yield return (path, value);
            yield break;
        }
        foreach (var (name, inner) in value.GetObject().Items)
        {
            foreach (var leaf in Leaves(inner, path.Length == 0 ? name : $"{path}.{name}")) yield return leaf;
        }
    }

    private static string? Problem(string key, HoconValue value, Config known)
    {
        foreach (var (owned, instead) in s_owned)
        {
            if (key == owned || key.StartsWith(owned + ".", StringComparison.Ordinal)) return $"is not to be set in a file: {instead}";
        }
        if (s_open.Any(table => key.StartsWith(table + ".", StringComparison.Ordinal))) return null;
        // a phase of one's own, and the settings that a phase has
        if (key.StartsWith("akka.coordinated-shutdown.phases.", StringComparison.Ordinal) && key.EndsWith(".timeout", StringComparison.Ordinal))
            return Duration(value) ? null : $"is '{value.GetString()}', but must be a duration such as 10s";
        if (!known.HasPath(key)) return "is no setting of Akka: it would be ignored; compare the files of cluster-config/akka";
        var standard = known.GetValue(key);
        if (standard.IsObject()) return "is a table of settings, not one setting";
        if (standard.IsArray()) return value.IsArray() ? null : $"is '{value.GetString()}', but must be a list";
        string text = value.GetString() ?? "", usual = standard.GetString() ?? "";
        if (value.IsArray() || text.Length == 0) return $"is empty or a list, but must be a value such as {usual}";
        if (Switch().IsMatch(usual)) return Switch().IsMatch(text) || Duration(value) ? null : $"is '{text}', but must be on or off";
        if (Time().IsMatch(usual)) return Duration(value) || text is "off" or "infinite" ? null : $"is '{text}', but must be a duration such as {usual}";
        if (Number().IsMatch(usual)) return Number().IsMatch(text) ? null : $"is '{text}', but must be a number such as {usual}";
        if (Bytes().IsMatch(usual)) return Bytes().IsMatch(text) || Number().IsMatch(text) ? null : $"is '{text}', but must be a size such as {usual}";
        return null;
    }

    private static bool Duration(HoconValue value) => Time().Match(value.GetString() ?? "") is { Success: true } match
        && double.TryParse(match.Groups[1].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out _);

    [GeneratedRegex(@"^[^#]*?(?=//|#|$)")]
    private static partial Regex Uncommented();

    [GeneratedRegex("^(on|off|true|false|yes|no)$")]
    private static partial Regex Switch();

    [GeneratedRegex(@"^(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d|nanoseconds?|microseconds?|milliseconds?|seconds?|minutes?|hours?|days?)$")]
    private static partial Regex Time();

    [GeneratedRegex(@"^-?\d+(\.\d+)?$")]
    private static partial Regex Number();

    [GeneratedRegex(@"^\d+(\.\d+)?\s*([kKmMgG]i?)?[bB]$")]
    private static partial Regex Bytes();
}
