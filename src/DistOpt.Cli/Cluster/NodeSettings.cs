using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text.Json;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Cluster;
using DistOpt.Hosting.Processes;
using DistOpt.Protocol;

namespace DistOpt;

/// <summary>A node's settings from a file, the environment (<c>DISTOPT_PORT</c>, ...) and options; the later win.</summary>
internal static class NodeSettings
{
    public const string PasswordVariable = "DISTOPT_CERTIFICATE_PASSWORD";

    /// <summary>Settings whose value is a text that YAML might take for something else.</summary>
    private static readonly string[] Texts = ["bind", "advertise", "data_root", "certificate", "certificate_key", "ca", "token_file", "akka", "otlp", "journal", "trial_ports"];

    private static readonly string[] Paths = ["certificate", "certificate_key", "ca", "token_file", "akka"];

    /// <summary>Names a node.yaml where no option does.</summary>
    public const string ConfigVariable = "DISTOPT_CONFIG";

    /// <param name="invocation">Whose environment counts.</param>
    /// <param name="path">A node.yaml, or null.</param>
    /// <param name="given">What the command's options say; null where they say nothing.</param>
    /// <exception cref="SpecException">All violations.</exception>
    public static NodeOptions Read(CommandInvocation invocation, string? path, IEnumerable<(string Field, string? Text, bool IsList)> given)
    {
        // a child of --processes gets all its settings as options: those of the environment are meant for a node of a cluster
        bool isChild = invocation.Console.Environment(NodeProcess.ChildVariable) is not null;
        if (isChild && invocation.Console.Environment(NodeProcess.SettingsVariable) is { Length: > 0 } settings)
        {
            return SpecFiles.Binder(invocation.App).Bind<NodeOptions>(settings, NodeProcess.SettingsVariable, []) with
            {
                Parent = new NodeId(invocation.Console.Environment(NodeProcess.ParentVariable)
                    ?? throw new SpecException(NodeProcess.ParentVariable, "is not set")),
            };
        }
        Func<string, string?> environment = name => isChild && name != NodeProcess.SecretVariable ? null : invocation.Console.Environment(name);
        path ??= environment(ConfigVariable) is { Length: > 0 } named ? named : null;
        var overrides = new List<string>();
        foreach (var (field, option, isList) in given.Concat(Limits()))
        {
            string? text = option ?? environment("DISTOPT_" + field.ToUpperInvariant());
            if (string.IsNullOrEmpty(text)) continue;
            // a path of the command line is relative to where the command runs
            if (Paths.Contains(field)) text = Path.GetFullPath(text);
            string value = isList ? "[" + string.Join(", ", text.Split(',', StringSplitOptions.TrimEntries).Select(Quoted)) + "]"
                : Texts.Contains(field) ? Quoted(text) : text;
            overrides.Add($"{field}={value}");
        }
        var options = SpecFiles.Binder(invocation.App).Bind<NodeOptions>(path is null ? "" : SpecFile.Read(path), path, overrides);
        // one of a file is relative to the file
        string folder = path is null ? "." : Path.GetDirectoryName(Path.GetFullPath(path))!;
        string? Full(string? file) => string.IsNullOrEmpty(file) ? null : Path.Combine(folder, file);
        options = options with
        {
            Certificate = Full(options.Certificate),
            CertificateKey = Full(options.CertificateKey),
            Ca = Full(options.Ca),
            TokenFile = Full(options.TokenFile),
            Akka = Full(options.Akka),
            CertificatePassword = environment(PasswordVariable) ?? options.CertificatePassword,
            Secret = environment(NodeProcess.SecretVariable) ?? options.Secret,
        };
        return options with { Token = TokenFile.Token(environment, options.Token, options.TokenFile, "token-file") };
    }

    /// <summary>Limits are for the file and the environment alone: their options would hide the others in the help.</summary>
    private static IEnumerable<(string Field, string? Text, bool IsList)> Limits() => typeof(NodeOptions).GetProperties()
        .Where(p => p.GetCustomAttribute<RangeAttribute>() is not null && (p.Name.EndsWith("Bytes", StringComparison.Ordinal)
            || p.Name.EndsWith("Connections", StringComparison.Ordinal) || p.Name.EndsWith("Handshakes", StringComparison.Ordinal)
            || p.Name is nameof(NodeOptions.TensorQueue) or nameof(NodeOptions.TrialProcesses)
                or nameof(NodeOptions.JobsMax) or nameof(NodeOptions.EndedJobsKept)))
        .Select(p => (JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name), default(string), false)).Append(("trial_ports", null, false));

    private static string Quoted(string text) => "'" + text.Replace("'", "''", StringComparison.Ordinal) + "'";
}

/// <summary>The API's token: from the environment, or from a file that the environment or a setting names.</summary>
internal static class TokenFile
{
    public const string Variable = "DISTOPT_TOKEN_FILE";

    /// <param name="environment">Where it is looked for first.</param>
    /// <param name="token">The one that the settings hold.</param>
    /// <param name="file">The file that the settings name.</param>
    /// <param name="setting">What the file's setting is called in errors.</param>
    /// <exception cref="SpecException">The file cannot be read, or is empty.</exception>
    public static string? Token(Func<string, string?> environment, string? token, string? file, string setting)
    {
        if (environment(ClusterClient.TokenVariable) is { Length: > 0 } set) return set;
        if (file is null) return token;
        try
        {
            return File.ReadAllText(file).Trim() is { Length: > 0 } text ? text : throw new SpecException(setting, $"'{file}' is empty; it must hold the token");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpecException(setting, $"'{file}' cannot be read: {e.Message}");
        }
    }
}
