using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using DistOpt.Core.Specs;
using DistOpt.Core.Training;

namespace DistOpt.Hosting.Cluster;

/// <summary>Checks of <see cref="NodeOptions"/> that come from its attributes, and those of its security settings.</summary>
internal static class NodeOptionsRules
{
    /// <summary>Fewest characters of a token or secret that others could try to guess.</summary>
    public const int SmallestSecret = 16;

    /// <summary>Every number against its range; ports have texts of their own.</summary>
    public static void Ranges(NodeOptions options, List<SpecViolation> violations)
    {
        foreach (var property in typeof(NodeOptions).GetProperties())
        {
            if (property.Name.EndsWith("Port", StringComparison.Ordinal)) continue;
            if (property.GetCustomAttribute<RangeAttribute>() is not { } range || property.GetValue(options) is not { } value || range.IsValid(value)) continue;
            violations.Add(new SpecViolation(JsonNamingPolicy.KebabCaseLower.ConvertName(property.Name),
                string.Create(CultureInfo.InvariantCulture, $"is {value}, but must be from {range.Minimum} to {range.Maximum}")));
        }
    }

    public static void TrialMemory(NodeOptions options, List<SpecViolation> violations)
    {
        if (options.TrialMemoryBytes is not { } each || each <= options.WorkerMemoryBytes) return;
        violations.Add(new SpecViolation("trial-memory-bytes", string.Create(CultureInfo.InvariantCulture,
            $"is {each}, but all workers together may take {options.WorkerMemoryBytes} (memory_bytes): lower it, or raise memory_bytes")));
    }

    /// <param name="listed">Text of <c>CUDA_VISIBLE_DEVICES</c>; null where it is not set.</param>
    public static void Gpus(NodeOptions options, string? listed, List<SpecViolation> violations)
    {
        if (options.Gpus is not { } wanted || listed is null || VisibleDevices.Listed(listed).Length is var count && count >= wanted) return;
        violations.Add(new SpecViolation("gpus", string.Create(CultureInfo.InvariantCulture,
            $"is {wanted}, but {VisibleDevices.Variable} is '{listed}', which lists {count}: lower it, or list more")));
    }

    public static void TrialPorts(NodeOptions options, List<SpecViolation> violations)
    {
        if (options.TrialPorts is not { } text) return;
        int wanted = options.TrialProcesses ?? 1;
        if (options.TrialPortRange is not { } ports)
            violations.Add(new SpecViolation("trial-ports", $"is '{text}', but must be FIRST-LAST, such as 4100-4115, with ports from 1 to 65535"));
        else if (ports.Last - ports.First + 1 < 2 * wanted)
        {
            violations.Add(new SpecViolation("trial-ports",
                $"is '{text}', {ports.Last - ports.First + 1} ports, but {wanted} trial processes need two each: give at least {2 * wanted}"));
        }
        else if (new[] { options.Port, options.TensorPort, options.ApiPort }.Any(p => p >= ports.First && p <= ports.Last))
            violations.Add(new SpecViolation("trial-ports", $"is '{text}', which has a port of the node itself: use others"));
    }

    public static void Security(NodeOptions options, List<SpecViolation> violations)
    {
        bool isOpen = !NodeOptions.IsLoopback(options.Bind);
        // a child has no API that one could guard
        bool hasApi = isOpen && options.Parent is null;
        if (hasApi && string.IsNullOrEmpty(options.Token))
            Add("token", $"is not set, but bind is {options.Bind}: give one (DISTOPT_TOKEN, or token_file), or bind to 127.0.0.1");
        else if (hasApi && options.Token!.Length < SmallestSecret)
            Add("token", $"has {options.Token.Length} characters, but bind is {options.Bind}: give at least {SmallestSecret} random ones");
        if (isOpen && !options.UsesTls)
        {
            Add("certificate", $"is not set, but bind is {options.Bind}: give this node's certificate and the cluster's CA "
                + "('distopt cluster init' makes them), or bind to 127.0.0.1");
        }
        if (options.Secret is { Length: > 0 and < SmallestSecret } secret && isOpen)
            Add("secret", $"has {secret.Length} characters: give at least {SmallestSecret} random ones, or none");
        if (options.UsesTls && string.IsNullOrEmpty(options.Ca))
            Add("ca", "is not set, but certificate is: name the PEM file of the cluster's CA");
        if (!options.UsesTls && !string.IsNullOrEmpty(options.Ca))
            Add("certificate", "is not set, but ca is: name this node's certificate, or leave out both");
        if (!options.UsesTls && !string.IsNullOrEmpty(options.CertificateKey))
            Add("certificate", "is not set, but certificate-key is: name the certificate that the key belongs to");

        void Add(string path, string message) => violations.Add(new SpecViolation(path, message));
    }
}
