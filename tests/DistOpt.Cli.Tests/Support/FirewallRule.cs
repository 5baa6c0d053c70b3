using System.Net;
using System.Text.RegularExpressions;

namespace DistOpt.Cli.Tests.Support;

/// <summary>A command that lets TCP in, of one of the firewalls that Linux machines usually have.</summary>
/// <param name="Source">Whom it lets in.</param>
/// <param name="Ports">In ascending order.</param>
internal sealed partial record FirewallRule(string Tool, IPNetwork Source, IReadOnlyList<int> Ports)
{
    /// <summary>Null where the line is none. One that begins as one does and is not understood fails.</summary>
    public static FirewallRule? Parse(string line)
    {
        string tool = line.Split(' ')[0];
        if (tool is not ("ufw" or "firewall-cmd" or "nft")) return null;
        var match = tool switch
        {
            "ufw" => Ufw().Match(line),
            "nft" => Nft().Match(line),
            _ => FirewallCmd().Match(line),
        };
        Assert.True(match.Success, $"not understood: {line}");
        return new FirewallRule(tool, IPNetwork.Parse(match.Groups["source"].Value), [.. match.Groups["ports"].Value.Split(',').SelectMany(Range).Order()]);
    }

    private static IEnumerable<int> Range(string ports)
    {
        string[] ends = ports.Split('-');
        int first = int.Parse(ends[0]);
        return Enumerable.Range(first, int.Parse(ends[^1]) - first + 1);
    }

    [GeneratedRegex(@"^ufw allow proto tcp from (?<source>\S+) to any port (?<ports>[\d,]+)$")]
    private static partial Regex Ufw();

    [GeneratedRegex(@"^firewall-cmd --permanent --add-rich-rule='rule family=ipv4 source address=(?<source>\S+) "
        + @"port port=(?<ports>\d+(-\d+)?) protocol=tcp accept' && firewall-cmd --reload$")]
    private static partial Regex FirewallCmd();

    [GeneratedRegex(@"^nft add rule inet \w+ \w+ ip saddr (?<source>\S+) tcp dport \{ (?<ports>\d+(, \d+)*) \} accept$")]
    private static partial Regex Nft();
}
