using System.Net;
using System.Security.Cryptography;
using DistOpt.Core.Specs;
using DistOpt.Hosting.Security;

namespace DistOpt;

/// <summary>
/// The files of a cluster: the CA and the token at the top, and a folder for each machine with all that goes to it. Nothing that exists is
/// written over; private keys and tokens can be read by their owner alone.
/// </summary>
internal sealed class ClusterFiles(string folder, int port, int days, TimeProvider time)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const int CaYears = 10;

    /// <summary>Clocks of the machines may differ a little.</summary>
    private static readonly TimeSpan ClockDifference = TimeSpan.FromHours(1);

    public string Folder { get; } = Path.GetFullPath(folder);

    public string CaFile => Path.Combine(Folder, "ca.pem");

    public string KeyFile => Path.Combine(Folder, "ca.key");

    public string TokenPath => Path.Combine(Folder, "token");

    /// <summary>The coordinator's API.</summary>
    public string Url { get; private set; } = "";

    private string MachinesFile => Path.Combine(Folder, "machines");

    /// <summary>Writes what is missing.</summary>
    /// <param name="machines">The machines of this call; those of earlier calls stay, and the first ever coordinates.</param>
    /// <exception cref="SpecException">The folder holds other things, or a machine's folder exists.</exception>
    public IReadOnlyList<ClusterMachine> Write(IReadOnlyList<ClusterMachine> machines)
    {
        try
        {
            bool isNew = !Directory.Exists(Folder) || !Directory.EnumerateFileSystemEntries(Folder).Any();
            if (!isNew && !(File.Exists(CaFile) && File.Exists(KeyFile) && File.Exists(TokenPath) && File.Exists(MachinesFile)))
                throw new SpecException("--out", $"'{Folder}' is not empty, and no folder of an earlier 'cluster init' with its ca.key; name another folder");
            var earlier = isNew ? [] : ClusterMachine.ParseAll(string.Join(',', File.ReadAllLines(MachinesFile)));
            SpecViolation[] taken = [.. machines.Where(m => earlier.Any(e => e.Name == m.Name || e.Host == m.Host)
                || Directory.Exists(Path.Combine(Folder, m.Name)))
                .Select(m => new SpecViolation("--nodes", $"'{m.Name}' has its files already; remove its folder and its line in {MachinesFile} to make new ones"))];
            if (taken.Length > 0) throw new SpecException(taken);
            Directory.CreateDirectory(Folder);
            using var issuer = isNew ? NewIssuer() : CertificateIssuer.FromPem(new PemCertificate(File.ReadAllText(CaFile), File.ReadAllText(KeyFile)));
            ClusterMachine[] all = [.. earlier, .. machines];
            Url = $"https://{all[0].Host}:{port + 2}";
            foreach (var machine in machines) WriteMachine(machine, all, issuer);
            File.WriteAllLines(MachinesFile, all.Select(m => $"{m.Name}={m.Host}"));
            return machines;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new SpecException("--out", $"'{Folder}' cannot be written: {e.Message}");
        }
    }

    private CertificateIssuer NewIssuer()
    {
        var now = time.GetUtcNow();
        var issuer = CertificateIssuer.Create("DistOpt cluster " + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4)), now - ClockDifference, now.AddYears(CaYears));
        var pem = issuer.ToPem();
        WriteFile(KeyFile, pem.Key, isPrivate: true);
        WriteFile(CaFile, pem.Certificate);
        WriteFile(TokenPath, Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32)) + "\n", isPrivate: true);
        return issuer;
    }

    private void WriteMachine(ClusterMachine machine, ClusterMachine[] all, CertificateIssuer issuer)
    {
        string own = Directory.CreateDirectory(Path.Combine(Folder, machine.Name)).FullName;
        var now = time.GetUtcNow();
        // doctor and people on the machine itself use localhost
        var pem = issuer.Issue(machine.Name, new[] { machine.Host, machine.Name, "localhost", "127.0.0.1" }.Distinct(), now - ClockDifference, now.AddDays(days));
        WriteFile(Path.Combine(own, "ca.pem"), issuer.ToPem().Certificate);
        WriteFile(Path.Combine(own, "node.pem"), pem.Certificate);
        WriteFile(Path.Combine(own, "node.key"), pem.Key, isPrivate: true);
        WriteFile(Path.Combine(own, "token"), File.ReadAllText(TokenPath), isPrivate: true);
        WriteFile(Path.Combine(own, "node.yaml"), Settings(machine, all));
        WriteFile(Path.Combine(own, "distopt.service"), Unit(machine));
    }

    private string Settings(ClusterMachine machine, ClusterMachine[] all)
    {
        bool coordinates = machine == all[0];
        bool isAddress = IPAddress.TryParse(machine.Host, out _);
        return $"""
            # {machine.Name}, written by 'distopt cluster init'. Paths are relative to this file.
            roles: [{(coordinates ? "coordinator, server, worker" : "server, worker")}]

            # where this node listens, and under which name the others reach it: the certificate names it
            bind: {(isAddress ? machine.Host : "0.0.0.0")}
            advertise: {machine.Host}
            port: {port}
            tensor_port: {port + 1}
            api_port: {port + 2}

            # the same on all nodes; the machine that leads the list begins the cluster
            join: [{string.Join(", ", all.Select(m => $"\"{m.Host}:{port}\""))}]

            certificate: node.pem
            certificate_key: node.key
            ca: ca.pem
            token_file: token

            # runs/ is written here, data sets are looked for in data/
            data_root: /var/lib/distopt

            """;
    }

    private static string Unit(ClusterMachine machine) => $"""
        # {machine.Name}: /etc/systemd/system/distopt.service
        [Unit]
        Description=DistOpt node {machine.Name}
        Wants=network-online.target
        After=network-online.target
        # a node that waits for the others tries for ever
        StartLimitIntervalSec=0

        [Service]
        User=distopt
        ExecStart=/opt/distopt/distopt node --config /etc/distopt/node.yaml
        WorkingDirectory=/var/lib/distopt
        StateDirectory=distopt
        # also when the cluster has downed it (3), or it could not join (4); never for bad settings (2), which stay bad
        Restart=on-failure
        RestartPreventExitStatus=2
        RestartSec=5
        # SIGTERM hands over work to other nodes (leave_timeout, 60 s), leaves the cluster in good order and ends with 0
        KillSignal=SIGTERM
        TimeoutStopSec=150
        LimitNOFILE=65536
        NoNewPrivileges=true
        ProtectSystem=strict
        ProtectHome=true
        PrivateTmp=true

        [Install]
        WantedBy=multi-user.target

        """;

    private static void WriteFile(string path, string text, bool isPrivate = false)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (isPrivate && !OperatingSystem.IsWindows()) options.UnixCreateMode = Private;
        using var writer = new StreamWriter(path, options);
        writer.Write(text);
    }
}
