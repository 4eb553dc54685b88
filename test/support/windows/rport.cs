// Stands in for rport.exe on Windows: version, config, state file, log lines and `--service`, as the client does them. The
// password in its rport.conf chooses how it fails, as in ../rport-standin.sh. It is a real service: started by the
// service manager with `-c FILE`, it tells that it runs, and ends when it is told to stop.
#:package System.ServiceProcess.ServiceController@10.0.0
#:property PublishAot=false
#:property InvariantGlobalization=true
#:property PublishSingleFile=true
#:property IncludeAllContentForSelfExtract=true
using System.Diagnostics;
using System.ServiceProcess;
using System.Text.RegularExpressions;

switch (args)
{
    case ["--version"]:
        Console.WriteLine(" version 0.9.14");
        return 0;
    case ["--service", "install", "-c", var config]:
        _ = new Client(config);
        return CreateService($"\"{Environment.ProcessPath}\" -c \"{config}\"");
    case ["-c", var config]:
        ServiceBase.Run(new Client(config));
        return 0;
    default:
        Console.Error.WriteLine("Error: unknown arguments");
        return 1;
}

// A service of the client starts by itself; it is created without that, so that a test sees who set it.
static int CreateService(string path)
{
    var start = new ProcessStartInfo(Path.Combine(Environment.SystemDirectory, "sc.exe"), ["create", "rport", "binPath=", path, "start=", "demand"]);
    using var process = Process.Start(start)!;
    process.WaitForExit();
    return process.ExitCode;
}

class Client : ServiceBase
{
    readonly string log, dataDirectory, password;

    public Client(string config)
    {
        ServiceName = "rport";
        var text = File.ReadAllText(config);
        log = Value(text, "log_file");
        dataDirectory = Value(text, "data_dir");
        password = Value(text, "auth").Split(':', 2)[1];
    }

    protected override void OnStart(string[] args)
    {
        File.AppendAllText(log, "2026/11/24 12:00:00 info: client: starting\n");
        Directory.CreateDirectory(Path.Combine(dataDirectory, "scripts"));
        if (password == "wrong-password") File.AppendAllText(log, "2026/11/24 12:00:00 error: client: Authentication failed\n");
        else File.WriteAllText(Path.Combine(dataDirectory, "state.json"), "{\n  \"last_state\": \"connected\"\n}\n");
    }

    /// <summary>The value of a basic string.</summary>
    static string Value(string text, string key)
    {
        var value = Regex.Match(text, $"(?m)^{key} = \"(.*)\"\r?$").Groups[1].Value;
        if (value == "") throw new FormatException($"{key} is missing");
        return Regex.Replace(value, @"\\(.)", "$1");
    }
}
